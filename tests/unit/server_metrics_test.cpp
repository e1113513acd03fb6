// Metrics: the golden list, and a page that holds nothing else. Settings of Valkey and health beside it.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "health.hpp"
#include "metrics/catalogue.hpp"
#include "metrics/registry.hpp"
#include "settings.hpp"

using namespace ff::server;

namespace {

const char* name_of(metrics::Type type) {
  if (type == metrics::Type::counter) return "counter";
  return type == metrics::Type::gauge ? "gauge" : "histogram";
}

std::string catalogue() {
  std::ostringstream text;
  for (const auto& info : metrics::kCatalogue) {
    text << info.name << " " << name_of(info.type);
    if (!info.unit.empty()) text << " [" << info.unit << "]";
    if (!info.labels.empty()) text << " {" << info.labels << "}";
    text << "\n    " << info.help << "\n";
  }
  return text.str();
}

// Family name to the label names seen on its samples.
std::map<std::string, std::set<std::string>> families_of(const std::string& page) {
  std::map<std::string, std::set<std::string>> families;
  std::istringstream lines(page);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      families[family];
    }
    if (line.starts_with("#")) continue;
    const std::size_t open = line.find('{'), close = line.rfind('}');
    if (open == std::string::npos) continue;
    std::istringstream labels(line.substr(open + 1, close - open - 1));
    for (std::string label; std::getline(labels, label, ',');) {
      const std::string name = label.substr(0, label.find('='));
      if (name != "le") families[family].insert(name);
    }
  }
  return families;
}

metrics::Snapshot full_snapshot() {
  metrics::Snapshot snapshot;
  snapshot.counts = {{"completed", 3}, {"ready:default/a", 2}, {"unserved:default/a", 1}};
  snapshot.counted_at = std::chrono::steady_clock::now();
  snapshot.timers.items = {{"lease_expiry", 1}};
  snapshot.valkey_version = "8.0.1";
  return snapshot;
}

}  // namespace

TEST_CASE("names, types, units, labels and help are those of tests/golden/metrics.txt") {
  std::ifstream in(FF_GOLDEN_DIR "/metrics.txt");
  std::ostringstream golden;
  golden << in.rdbuf();
  CHECK(golden.str() == catalogue());
}

TEST_CASE("the page has exactly the families and labels of the catalogue, in order of name") {
  metrics::Registry registry;
  registry.connection_opened();
  registry.answered("/v1/counts", http::Method::get, 200, 0.003);
  registry.set(full_snapshot());

  const auto families = families_of(registry.page());

  std::map<std::string, std::set<std::string>> expected;
  for (const auto& info : metrics::kCatalogue) {
    std::istringstream labels{std::string(info.labels)};
    auto& names = expected[std::string(info.name)];
    for (std::string label; labels >> label;) names.insert(label);
    CHECK(info.help.find('\n') == std::string_view::npos);
    CHECK(info.name.ends_with("_total") == (info.type == metrics::Type::counter));
  }
  CHECK(families == expected);
}

TEST_CASE("values land where they belong") {
  metrics::Registry registry;
  registry.connection_opened();
  registry.connection_opened();
  registry.connection_closed();
  registry.connection_refused();
  registry.answered("/x", http::Method::get, 404, 0.02);
  registry.answered("/x", http::Method::get, 404, 0.02);
  registry.token_refused(ff::core::TokenFault::bad_mac);
  registry.set(full_snapshot());
  const std::string page = registry.page();

  for (const char* line : {"ff_http_connections 1\n", "ff_http_connections_refused_total 1\n",
                           "ff_waitpoint_tokens_refused_total{fault=\"bad_mac\"} 1\n",
                           "ff_waitpoint_tokens_refused_total{fault=\"other_payload\"} 0\n",
                           "ff_http_requests_total{route=\"/x\",status=\"404\"} 2\n",
                           "ff_http_request_duration_seconds_bucket{route=\"/x\",le=\"0.01\"} 0\n",
                           "ff_http_request_duration_seconds_bucket{route=\"/x\",le=\"0.025\"} 2\n",
                           "ff_executions{state=\"ready\",namespace=\"default\",lane=\"a\"} 2\n",
                           "ff_executions{state=\"completed\",namespace=\"\",lane=\"\"} 3\n",
                           "ff_timers_items_total{scanner=\"lease_expiry\"} 1\n"}) {
    INFO(line);
    CHECK(page.find(line) != std::string::npos);
  }
}

TEST_CASE("the number of lanes on the page is bounded, and nothing is lost from the sum") {
  metrics::Registry registry;
  metrics::Snapshot snapshot;
  for (int i = 0; i < 500; ++i) snapshot.counts["ready:default/lane" + std::to_string(i)] = 1;
  registry.set(snapshot);
  const std::string page = registry.page();

  CHECK(page.find("ff_executions{state=\"ready\",namespace=\"(other)\",lane=\"(other)\"} 300\n") != std::string::npos);
}

TEST_CASE("counting is worth it only while somebody scrapes") {
  metrics::Registry registry;
  CHECK(!registry.scraped_lately());
  CHECK(registry.page().find("ff_executions_age_seconds -1\n") != std::string::npos);
  CHECK(registry.scraped_lately());
}

TEST_CASE("settings that break a promise are named with their cure") {
  CHECK(broken_promises({}).empty());
  CHECK(broken_promises({{"maxmemory-policy", "noeviction"}, {"appendonly", "yes"}, {"appendfsync", "everysec"}})
            .empty());
  const auto all = broken_promises({{"maxmemory-policy", "allkeys-lru"}, {"appendonly", "no"}, {"appendfsync", "no"}});
  REQUIRE(all.size() == 2);
  CHECK(all[0].find("maxmemory-policy is allkeys-lru") == 0);
  CHECK(all[1].find("appendonly is no") == 0);
  CHECK(broken_promises({{"appendonly", "yes"}, {"appendfsync", "no"}}).at(0).find("appendfsync is no") == 0);
}

TEST_CASE("health is good only while serving and while Valkey answers") {
  Health health;
  CHECK(health.health().error().reason == "booting");
  health.phase(Health::Phase::serving);
  health.silent("connection refused");
  CHECK(health.health().error().reason == "valkey");
  CHECK(health.health().error().message.find("connection refused") == std::string::npos);  // Strangers read it.
  CHECK(health.cause() == "connection refused");
  health.answered();
  CHECK(health.health());
  CHECK(health.cause().empty());
  CHECK(health.valkey_up());
  health.phase(Health::Phase::draining);
  CHECK(health.health().error().reason == "draining");
}
