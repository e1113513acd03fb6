#include "settings.hpp"

namespace ff::server {

Settings settings_of(const script::Reply& reply) {
  Settings settings;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    settings[reply.elements[i].text] = reply.elements[i + 1].text;
  }
  return settings;
}

std::vector<std::string> broken_promises(const Settings& settings) {
  const auto is = [&settings](const char* name, std::string_view value) {
    const auto found = settings.find(name);
    return found != settings.end() && found->second == value;
  };
  std::vector<std::string> broken;
  if (const auto policy = settings.find("maxmemory-policy");
      policy != settings.end() && policy->second != "noeviction") {
    broken.push_back("maxmemory-policy is " + policy->second +
                     ": Valkey would delete executions when memory is short; set it to noeviction");
  }
  if (is("appendonly", "no")) {
    broken.push_back("appendonly is no: a crash of Valkey loses executions; set it to yes");
  } else if (is("appendfsync", "no")) {
    broken.push_back(
        "appendfsync is no: a crash of the machine loses up to half a minute; set it to everysec or always");
  }
  return broken;
}

}  // namespace ff::server
