-- What a worker can do against what an execution asks for. ff-core/capability.hpp holds the same functions; a test
-- compares them on random sets.

-- "cuda>=12" as key, operator and value; of a plain word the other two are empty.
local function parts(text)
  return string.match(text, "^([^=<>]+)([<>]?=?)(.*)$")
end

-- Texts byte by byte: Lua's own `<` follows the server's locale.
local function order(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y and -1 or 1 end
  end
  if #a == #b then return 0 end
  return #a < #b and -1 or 1
end

-- One part of a version: numbers by their value, whatever their length; anything else as text.
local function order_parts(a, b)
  if string.find(a, "%D") or string.find(b, "%D") then return order(a, b) end
  a, b = string.gsub(a, "^0+(.)", "%1"), string.gsub(b, "^0+(.)", "%1")
  if #a ~= #b then return #a < #b and -1 or 1 end
  return order(a, b)
end

-- -1, 0 or 1. Versions are compared part by part, a missing part counts as 0: 12 = 12.0 < 12.2 < 12.10.
function ff.order_versions(a, b)
  local next_a, next_b = string.gmatch(a .. ".", "([^.]*)%."), string.gmatch(b .. ".", "([^.]*)%.")
  while true do
    local x, y = next_a(), next_b()
    if not x and not y then return 0 end
    local found = order_parts(x or "0", y or "0")
    if found ~= 0 then return found end
  end
end

-- A worker's capabilities, ready to be asked: key → its values ("" for a plain word).
function ff.capabilities(list)
  local has = {}
  for i = 1, #list do
    local key, _, value = parts(list[i])
    if key then
      has[key] = has[key] or {}
      table.insert(has[key], value)
    end
  end
  return has
end

local holds = {
  ["="] = function(value, wanted) return value == wanted end,
  [">="] = function(value, wanted) return ff.order_versions(value, wanted) >= 0 end,
  ["<="] = function(value, wanted) return ff.order_versions(value, wanted) <= 0 end,
  [">"] = function(value, wanted) return ff.order_versions(value, wanted) > 0 end,
  ["<"] = function(value, wanted) return ff.order_versions(value, wanted) < 0 end,
}

-- Whether one of the capabilities answers the requirement. A plain word asks for the key, with whatever value.
function ff.satisfies(has, requirement)
  local key, operator, wanted = parts(requirement)
  local values = key and has[key]
  if not values then return false end
  if operator == "" then return true end
  for i = 1, #values do
    if values[i] ~= "" and holds[operator](values[i], wanted) then return true end
  end
  return false
end

function ff.satisfies_all(has, requirements)
  for i = 1, #requirements do
    if not ff.satisfies(has, requirements[i]) then return false end
  end
  return true
end
