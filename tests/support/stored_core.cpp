#include "support/stored_core.hpp"

namespace ff::test {

std::vector<std::string> read_core(const std::string& key) {
  return {"EVAL", std::string(kLeaseOfCore) + R"(
local text = redis.pcall('GET', KEYS[1])
local okay, core = pcall(cmsgpack.unpack, text)
local flat = {}
if not okay or type(core) ~= 'table' then return flat end
open_lease(core)
for field, value in pairs(core) do
  flat[#flat + 1] = field
  flat[#flat + 1] = type(value) == 'number' and string.format('%.17g', value) or tostring(value)
end
return flat)",
          "1", key};
}

std::vector<std::string> change_core(const std::string& key, const std::vector<std::string>& changes) {
  std::vector<std::string> words = {"EVAL", std::string(kLeaseOfCore) + R"(
local core = cmsgpack.unpack(redis.call('GET', KEYS[1]))
open_lease(core)
for i = 1, #ARGV, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  if field ~= 'e' and string.find(value, '^%d+$') then value = tonumber(value) end
  if value == '' then value = nil end
  core[field] = value
end
pack_lease(core)
return redis.call('SET', KEYS[1], cmsgpack.pack(core)))",
                                    "1", key};
  words.insert(words.end(), changes.begin(), changes.end());
  return words;
}

}  // namespace ff::test
