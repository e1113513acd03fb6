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
-- counted once), some (names that are mostly empty, and then nil).
-- The body gets the partition `at` (clock read, tag known) and the named arguments; items are in a.items.
--
-- A field of items or rows (int or bytes) with `rare = true` travels only in calls where one of them has something else
-- than 0 or nothing there; what has not is nil in the body. Which do is told by `columns`, the last argument and the
-- last answer field of such a verb: a sum of 1 for the first rare field, 2 for the second, 4 for the third. A value
-- costs more to carry than to use.

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

-- How many fields are rare.
local function rare_count(fields)
  local count = 0
  for i = 1, #fields do
    if fields[i].rare then count = count + 1 end
  end
  return count
end

-- The fields that travel when `columns` tells which of the rare ones do; nil when it is no such sum.
local function travelling(fields, columns)
  local found, left = {}, columns
  for i = 1, #fields do
    local field = fields[i]
    if not field.rare then
      found[#found + 1] = field
    else
      if left % 2 == 1 then found[#found + 1] = field end
      left = math.floor(left / 2)
    end
  end
  return left == 0 and found or nil
end

-- Makes, from the declared fields, the function that takes their values from argv behind `base`: straight code, at a
-- third of what a loop over the declaration costs. Most integers are 0 and most ids well formed: that is seen without
-- a call. What travels has room in the table from the start, also where it is nil. Field names are the library's own.
local function unpacker(fields)
  local checks, values, some = {}, {}, {}
  for i, field in ipairs(fields) do
    local name, kind, raw = field[1], field[2], "v" .. i
    local value, check = raw, ""
    if kind == "some" then
      value = nil
      some[#some + 1] = "if " .. raw .. ' ~= "" then t.' .. name .. " = convert.names(" .. raw .. ") end"
    elseif field.rare and kind == "int" then
      value = raw .. ' ~= "0" and convert.int(' .. raw .. ', "' .. name .. '") or nil'
    elseif field.rare then
      value = raw .. ' ~= "" and ' .. raw .. " or nil"
    elseif convert[kind] then
      check = raw .. " = convert." .. kind .. "(" .. raw .. ', "' .. name .. '")'
      if kind == "int" then check = "if " .. raw .. ' == "0" then ' .. raw .. " = 0 else " .. check .. " end" end
      if kind == "ulid" then check = "if #" .. raw .. " ~= 26 then " .. check .. " end" end
    end
    checks[#checks + 1] = "local " .. raw .. " = argv[base + " .. i .. "] " .. check
    if value then values[#values + 1] = name .. " = " .. value end
  end
  local code = "local convert = ... return function(argv, base) " .. table.concat(checks, " ") .. " local t = { "
    .. table.concat(values, ", ") .. " } " .. table.concat(some, " ") .. " return t end"
  return assert(loadstring(code))(convert) -- ff-style: allow the code is made of declared names only
end

local shapes_remembered = 64

-- How the items of a call are taken apart, { size, unpack, rare }, with the names of the rare fields that travel;
-- `columns` is still a text. Made when first met.
local function item_shape(d, columns)
  local shape = d.shapes[columns]
  if shape then return shape end
  local fields = travelling(d.items, integer(columns, "columns"))
  if not fields then ff.bad_call("columns tells of fields that are not declared") end
  if d.shape_count == shapes_remembered then d.shapes, d.shape_count = {}, 0 end
  shape = { size = #fields, unpack = unpacker(fields), rare = {} }
  for _, field in ipairs(fields) do
    if field.rare then shape.rare[field[1]] = true end
  end
  d.shapes[columns], d.shape_count = shape, d.shape_count + 1
  return shape
end

-- Signatures are compared at start-up with those compiled into the caller: name:type of every field, in order.
local function signature(fields, columns)
  local text = ""
  for i = 1, #fields do
    if i > 1 then text = text .. "," end
    text = text .. fields[i][1] .. ":" .. fields[i][2]
    if fields[i].rare then text = text .. "?" end
  end
  return columns and text .. (text ~= "" and "," or "") .. "columns:columns" or text
end

local flags = { read = { "no-writes" }, write = {}, free = { "allow-oom" } }

local items_max = 256

function ff.verb(d, body)
  d.args, d.items, d.ok, d.rows = d.args or {}, d.items or {}, d.ok or {}, d.rows or {}
  local rare = rare_count(d.items) > 0
  local arg_count, takes_items = #d.args + (rare and 1 or 0), #d.items > 0
  local reads = d.kind == "read"
  local unpack_args -- Made by the first call: at load time there is no loadstring.
  d.shapes, d.shape_count = {}, 0

  local function unpack_items(argv)
    local extra = #argv - arg_count
    local shape = item_shape(d, rare and argv[arg_count] or "0")
    local size, unpack_item = shape.size, shape.unpack
    if extra % size ~= 0 then ff.bad_call("wrong number of arguments for " .. d.name) end
    if extra > items_max * size then ff.bad_call("more than 256 items") end
    local list, n = { rare = shape.rare }, 0
    for base = arg_count, #argv - 1, size do
      n = n + 1
      list[n] = unpack_item(argv, base)
    end
    return list
  end

  local function callback(keys, argv)
    if #keys ~= 1 then ff.bad_call("one key is needed: the partition's tag") end
    if #argv < arg_count or (not takes_items and #argv > arg_count) then
      ff.bad_call("wrong number of arguments for " .. d.name)
    end
    if not unpack_args then
      ff.find_globals()
      unpack_args = unpacker(d.args)
    end
    local a = unpack_args(argv, 0)
    if takes_items then a.items = unpack_items(argv) end
    return body(ff.enter(keys[1], reads), a)
  end

  redis.register_function({
    function_name = ff.prefix .. d.name,
    callback = callback,
    flags = flags[d.kind],
    description = "a=" .. signature(d.args, rare) .. ";i=" .. signature(d.items) .. ";r="
      .. signature(d.ok, rare_count(d.rows) > 0) .. ";w=" .. signature(d.rows),
  })
end
