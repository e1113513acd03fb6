-- ff.verb declares a verb once: its name, arguments, repeated items, result fields, rows and refusals. The declaration
-- registers the function here, and makes the C++ binding and the reference page (tools/bindgen.lua).
--
--   ff.verb({
--     name = "renew",
--     kind = "write" | "free" | "read",    free: a write that frees memory or ends work, runs when out of memory
--     doc = "…", args = { { "name", "type", "what it is" }, … }, items = { … },
--     ok = { … }, rows = { … }, refusals = { … },
--   }, function(at, a) … end)
--
-- Types: ulid, int (decimal, exact below 2^53), bool (0 or 1), bytes, words (joined by commas), names (the same, each
-- counted once), maybe and some (bytes and names that are mostly empty, and then nil).
-- The body gets the partition `at` (clock read, tag known) and the named arguments; items are in a.items.

local function integer(text, name)
  if text == "0" then return 0 end
  local number = string.find(text, "^%-?%d+$") and tonumber(text)
  if not number or number >= 9007199254740992 or number <= -9007199254740992 then
    ff.bad_call(name .. " is not an integer")
  end
  return number
end

local convert = {
  int = integer,
  bool = function(text, name)
    if text ~= "0" and text ~= "1" then ff.bad_call(name .. " is not 0 or 1") end
    return text == "1"
  end,
  ulid = function(text, name)
    if #text ~= 26 then ff.bad_call(name .. " is not a ULID") end
    return text
  end,
  names = function(text)
    local list, seen = {}, {}
    for name in string.gmatch(text, "[^,]+") do
      if not seen[name] then list[#list + 1] = name end
      seen[name] = true
    end
    return list
  end,
}

-- Makes, from the declared fields, the function that takes their values from argv behind `base`: straight code, at a
-- third of what a loop over the declaration costs. Most integers are 0 and most ids well formed: that is seen without
-- a call. Field names are the library's own words.
local function unpacker(fields)
  local checks, values, rare = {}, {}, {}
  for i, field in ipairs(fields) do
    local name, kind = field[1], field[2]
    local value = "argv[base + " .. i .. "]"
    if kind == "maybe" then
      rare[#rare + 1] = "if " .. value .. ' ~= "" then t.' .. name .. " = " .. value .. " end"
    elseif kind == "some" then
      rare[#rare + 1] = "if " .. value .. ' ~= "" then t.' .. name .. " = convert.names(" .. value .. ") end"
    elseif convert[kind] then
      local raw = "v" .. i
      local check = raw .. " = convert." .. kind .. "(" .. raw .. ', "' .. name .. '")'
      if kind == "int" then check = "if " .. raw .. ' == "0" then ' .. raw .. " = 0 else " .. check .. " end" end
      if kind == "ulid" then check = "if #" .. raw .. " ~= 26 then " .. check .. " end" end
      checks[#checks + 1] = "local " .. raw .. " = " .. value .. " " .. check
      value = raw
    end
    if kind ~= "maybe" and kind ~= "some" then values[#values + 1] = name .. " = " .. value end
  end
  local code = "local convert = ... return function(argv, base) " .. table.concat(checks, " ") .. " local t = { "
    .. table.concat(values, ", ") .. " } " .. table.concat(rare, " ") .. " return t end"
  return assert(loadstring(code))(convert) -- ff-style: allow the code is made of declared names only
end

-- Signatures are compared at start-up with those compiled into the caller: name:type of every field, in order.
local function signature(fields)
  local text = ""
  for i = 1, #fields do
    if i > 1 then text = text .. "," end
    text = text .. fields[i][1] .. ":" .. fields[i][2]
  end
  return text
end

local flags = { read = { "no-writes" }, write = {}, free = { "allow-oom" } }

local items_max = 256

function ff.verb(d, body)
  local args, items = d.args or {}, d.items or {}
  local arg_count, item_size = #args, #items
  local reads = d.kind == "read"
  local unpack_args, unpack_item -- Made by the first call: at load time there is no loadstring.

  local function callback(keys, argv)
    local extra = #argv - arg_count
    if #keys ~= 1 then ff.bad_call("one key is needed: the partition's tag") end
    if extra < 0 or (item_size == 0 and extra > 0) or (item_size > 0 and extra % item_size ~= 0) then
      ff.bad_call("wrong number of arguments for " .. d.name)
    end
    if item_size > 0 and extra > items_max * item_size then ff.bad_call("more than 256 items") end
    if not unpack_args then
      ff.find_globals()
      unpack_args, unpack_item = unpacker(args), unpacker(items)
    end
    local a = unpack_args(argv, 0)
    if item_size > 0 then
      local list = {}
      for base = arg_count, #argv - 1, item_size do
        list[#list + 1] = unpack_item(argv, base)
      end
      a.items = list
    end
    return body(ff.enter(keys[1], reads), a)
  end

  redis.register_function({
    function_name = ff.prefix .. d.name,
    callback = callback,
    flags = flags[d.kind],
    description = "a=" .. signature(args) .. ";i=" .. signature(items) .. ";r=" .. signature(d.ok or {}) .. ";w="
      .. signature(d.rows or {}),
  })
end
