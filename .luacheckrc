-- The library runs inside Valkey: its globals are listed one by one, so that nothing else is used by accident.
std = "none"
max_line_length = false  -- ci/check_style.sh counts
codes = true
globals = { "ff" }  -- The shared table; the bundle makes it a local of the one chunk.
read_globals = {
  redis = { fields = { "call", "pcall", "error_reply", "status_reply", "log", "register_function", "sha1hex",
                       "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING" } },
  string = { fields = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse",
                        "sub", "upper" } },
  table = { fields = { "concat", "insert", "remove", "sort" } },
  math = { fields = { "abs", "ceil", "floor", "fmod", "huge", "max", "min", "random" } },
  cjson = { fields = { "decode", "encode", "null" } },
  cmsgpack = { fields = { "pack", "unpack" } },
  struct = { fields = { "pack", "unpack" } },
  bit = { fields = { "band", "bor", "bxor", "lshift", "rshift", "tohex" } },
  "assert", "error", "ipairs", "loadstring", "next", "pairs", "pcall", "select", "setmetatable", "tonumber", "tostring", "type", "unpack",
}

-- Tools run under plain Lua 5.1 on a developer's machine.
files["lua/tools"] = { std = "lua51", globals = { "redis", "ff" } }
