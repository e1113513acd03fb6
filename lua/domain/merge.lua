-- JSON merge patch (RFC 7396) on text. cjson would round integers above 2^53 and make {} and [] the same, so values are
-- carried over as they were written; only objects are taken apart, of the document only those that a patch reaches
-- into. A node is the text of a value, or, for an object that was taken apart, { order = { name, … }, names = { name =
-- its text }, values = { name = node } }.

local depth_max = 32

-- Where the string that opens at `from` ends.
local function string_end(text, from)
  local _, plain = string.find(text, '^"[^"\\%c]*"', from)
  if plain then return plain end
  local at = from + 1
  while true do
    local stop = string.find(text, '["\\%c]', at)
    local found = stop and string.sub(text, stop, stop)
    if found == '"' then return stop end
    if found == "\127" then
      at = stop + 1 -- %c counts it; JSON allows it.
    else
      if found ~= "\\" then return nil end
      local escape = string.sub(text, stop + 1, stop + 1)
      if escape == "" then return nil end
      if escape == "u" then
        if not string.find(text, "^%x%x%x%x", stop + 2) then return nil end
      elseif not string.find('"\\/bfnrt', escape, 1, true) then
        return nil
      end
      at = stop + 2
    end
  end
end

local value_end

local function skip(text, from)
  return string.find(text, "[^ \t\r\n]", from) or #text + 1
end

-- Where the array that opens at `from` ends.
local function array_end(text, from, depth)
  local at = skip(text, from + 1)
  if string.byte(text, at) == 93 then return at end
  while true do
    local last = value_end(text, at, depth + 1)
    if not last then return nil end
    local _, stop, separator = string.find(text, "^[ \t\r\n]*([],])[ \t\r\n]*", last + 1)
    if separator == "]" then return string.find(text, "]", last + 1, true) end
    if not separator then return nil end
    at = stop + 1
  end
end

-- Escapes in a name are undone for the comparison: "\u0061" and "a" are the same member.
local function name_of(text)
  if not string.find(text, "\\", 1, true) then return string.sub(text, 2, -2) end
  local readable, list = pcall(cjson.decode, "[" .. text .. "]")
  return readable and list[1] or nil
end

-- The name of the member that begins at `from`, its text, and where its value begins. Mostly one look will do.
local function member(text, from)
  local _, last, name = string.find(text, '^"([^"\\%c]*)"[ \t\r\n]*:[ \t\r\n]*', from)
  if last then return name, '"' .. name .. '"', last + 1 end
  last = string.byte(text, from) == 34 and string_end(text, from)
  if not last then return nil end
  local written = string.sub(text, from, last)
  local _, colon = string.find(text, "^[ \t\r\n]*:[ \t\r\n]*", last + 1)
  if colon then return name_of(written), written, colon + 1 end
end

-- Where the object or array that opens at `from` ends, in text that is known to be JSON.
local function closing(text, from)
  local depth, at = 0, from
  while true do
    local stop, _, found = string.find(text, '(["{}%[%]])', at)
    if not stop then return nil end
    if found == '"' then
      stop = string_end(text, stop)
      if not stop then return nil end
    elseif found == "{" or found == "[" then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then return stop end
    end
    at = stop + 1
  end
end

-- The object that opens at `from` as a node, and where it ends; a name that comes twice counts with its last value.
-- known: it is JSON, and what is within is left as text.
local function object(text, from, depth, known)
  local node, at = { order = {}, names = {}, values = {} }, skip(text, from + 1)
  if string.byte(text, at) == 125 then return node, at end
  while true do
    local name, written, value_at = member(text, at)
    if not name then return nil end
    if not node.names[name] then
      node.order[#node.order + 1] = name
      node.names[name] = written
    end
    local value, last
    if known and string.find(text, "^[{[]", value_at) then
      last = closing(text, value_at)
      value = last and string.sub(text, value_at, last)
    else
      value, last = ff.json_node(text, value_at, depth + 1)
    end
    if not value then return nil end
    node.values[name] = value
    local _, stop, separator = string.find(text, "^[ \t\r\n]*([,}])[ \t\r\n]*", last + 1)
    if separator == "}" then return node, (string.find(text, "}", last + 1, true)) end
    if not separator then return nil end
    at = stop + 1
  end
end

local function number_end(text, from)
  local first, last = string.find(text, "^%-?%d+", from)
  if not first or string.find(text, "^%-?0%d", from) then return nil end
  local _, fraction = string.find(text, "^%.%d+", last + 1)
  last = fraction or last
  local _, exponent = string.find(text, "^[eE][+-]?%d+", last + 1)
  return exponent or last
end

-- Where the value that begins at `from` ends; nil: it is not JSON, or deeper than 32.
value_end = function(text, from, depth)
  if depth > depth_max then return nil end
  local first = string.byte(text, from)
  if first == 34 then return string_end(text, from) end
  if first == 123 then
    local _, last = object(text, from, depth)
    return last
  end
  if first == 91 then return array_end(text, from, depth) end
  local _, word = string.find(text, "^%l+", from)
  if not word then return number_end(text, from) end
  local found = string.sub(text, from, word)
  return (found == "true" or found == "false" or found == "null") and word or nil
end

-- The value that begins at `from` as a node, and where it ends; nil: it is not JSON, or deeper than 32.
function ff.json_node(text, from, depth)
  if depth > depth_max then return nil end
  if string.byte(text, from) == 123 then return object(text, from, depth) end
  local last = value_end(text, from, depth)
  return last and string.sub(text, from, last), last
end

-- A whole document as a node; nil: it is not JSON.
function ff.json_document(text)
  local node, last = ff.json_node(text, skip(text, 1), 1)
  if not node or skip(text, last + 1) <= #text then return nil end
  return node
end

local function nothing()
  return { order = {}, names = {}, values = {} }
end

-- Applies a patch, a node taken apart whole, to a target (nil: there is none) and returns the outcome; both are used
-- up.
function ff.json_merge(target, patch)
  if type(patch) ~= "table" then return patch end
  if type(target) == "string" then
    target = string.byte(target) == 123 and (object(target, 1, 1, true) or ff.corrupt("a stored summary"))
  end
  target = target or nothing()
  for i = 1, #patch.order do
    local name = patch.order[i]
    local value = patch.values[name]
    if value == "null" then
      target.values[name] = nil
    else
      if not target.names[name] then
        target.order[#target.order + 1] = name
        target.names[name] = patch.names[name]
      end
      target.values[name] = ff.json_merge(target.values[name], value)
    end
  end
  return target
end

-- The text of a node, without spaces between what was an object.
function ff.json_text(node)
  if type(node) ~= "table" then return node end
  local members = {}
  for i = 1, #node.order do
    local name = node.order[i]
    local value = node.values[name]
    if value then members[#members + 1] = node.names[name] .. ":" .. ff.json_text(value) end
  end
  return "{" .. table.concat(members, ",") .. "}"
end
