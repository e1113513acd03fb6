-- The library's name carries the major version and so does every function: an old library cannot be called by
-- mistake, and two majors live side by side. `version` counts compatible changes of this major.
-- Load time knows bare syntax only (no string, table, math, pairs, type): literals at file level, all else inside
-- functions.
ff = {
  prefix = "ff1_",
  version = 1,
}

-- Valkey's globals lie behind two tables. As locals of the whole bundle they cost a fraction. Most of them are not
-- there while the library loads, so the first call fetches them.
local function globals()
  return redis, string, table, math, cjson, cmsgpack, tonumber, tostring, type, unpack, pcall, pairs, ipairs
end

-- luacheck: push ignore 211 231 431
local redis, string, table, math, cjson, cmsgpack, tonumber, tostring, type, unpack, pcall, pairs, ipairs = redis

function ff.find_globals()
  redis, string, table, math, cjson, cmsgpack, tonumber, tostring, type, unpack, pcall, pairs, ipairs = globals()
end
-- luacheck: pop
