// Signals, waitpoint tokens and roles over HTTP: a real ff-server, a real Valkey, a worker that suspends.
#include <algorithm>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "ff/core/sha256.hpp"
#include "ff/core/text.hpp"
#include "ff/core/token.hpp"
#include "http/routes.hpp"
#include "support/seed.hpp"
#include "support/temp_dir.hpp"
#include "waiting_lab.hpp"

namespace json = boost::json;
using namespace ff;
using namespace ff::test;

namespace {

std::string flipped(std::string token, std::size_t at) {
  token[at] = token[at] == 'A' ? 'B' : 'A';
  return token;
}

// A refusal without what is different in every answer.
std::string seen(const HttpAnswer& answer) {
  std::string text = std::to_string(answer.status) + " " + answer.raw.body;
  const std::string id = answer.raw.header("x-request-id");
  for (std::size_t at = text.find(id); at != std::string::npos; at = text.find(id)) text.erase(at, id.size());
  return text;
}

}  // namespace

TEST_CASE("a caller signals an execution by waitpoint, and it goes on") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const auto waiting = lab.http.get("/v1/executions/" + id + "/waitpoints");
  CHECK(waiting.json.at("waitpoints").at(0).at("waitpoint") == "1.w");
  CHECK(json::serialize(waiting.json.at("condition")).find("go") != std::string::npos);

  const auto other = lab.signal(id, R"({"waitpoint":"1.w","name":"other","id":"a"})");
  CHECK(other.json.at("resumed") == false);
  CHECK(other.json.at("number") == 1);
  const std::string path = "/v1/executions/" + id + "/waitpoints/1.w/signals";
  const auto go = lab.http.post(path, R"({"name":"go","id":"b","payload_text":"now"})");
  CHECK(go.json.at("resumed") == true);

  CHECK(lab.result(id) == "go of local: now");
  const auto again = lab.http.post(path, R"({"name":"go","id":"b","payload_text":"now"})");
  CHECK(again.status == 200);
  CHECK(again.json.at("duplicate") == true);
  CHECK(again.json.at("resumed") == true);
  CHECK(lab.http.post(path, R"({"name":"go","id":"c"})").reason() == "already_finished");
}

TEST_CASE("who holds a token sends with it what it allows, in its own name, once") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id, R"(,"source":"alice","names":["go","stop"])");

  const auto stop = lab.signal(id, R"({"name":"stop"})", token);
  CHECK(stop.status == 200);
  CHECK(stop.text("waitpoint") == "1.w");
  CHECK(lab.signal(id, R"({"name":"go"})", token).json.at("duplicate") == true);  // It was spent on "stop".
  CHECK(lab.signals_at(id) == 1);
  const std::string second = lab.mint(id, R"(,"source":"alice")");
  CHECK(lab.signal(id, R"({"name":"go","payload_text":"in the body","token":")" + second + "\"}").status == 200);
  CHECK(lab.result(id) == "go of alice: in the body");
}

TEST_CASE("a reusable token sends as often as its waitpoint takes; without a source it has one of its own") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id, R"(,"reusable":true)");
  for (const char* body : {R"({"name":"x","id":"1"})", R"({"name":"x","id":"2"})", R"({"name":"x"})"}) {
    CHECK(lab.signal(id, body, token).json.at("duplicate") == false);
  }
  CHECK(lab.signal(id, R"({"name":"x","id":"2"})", token).json.at("duplicate") == true);
  CHECK(lab.signals_at(id) == 3);
  CHECK(lab.signal(id, R"({"name":"go"})", token).status == 200);
  CHECK(lab.result(id).starts_with("go of token:"));
}

TEST_CASE("whatever is wrong with a token, its holder hears the same and nothing is written; operators can count") {
  WaitingLab lab;
  const std::string id = lab.waiting(), other = lab.waiting();
  const std::string digest = core::sha256_hex("right");
  const std::string token = lab.mint(id, R"(,"names":["go"],"payload_sha256":")" + digest + "\"");
  const std::string right = R"({"name":"go","payload_text":"right")";
  const auto first = lab.signal(id, R"({"name":"go","payload_text":"wrong"})", token);
  CHECK(first.status == 401);
  const std::string expected = seen(first);
  const std::size_t dot = token.find('.', 5), last = token.rfind('.');
  core::Narrowing over;
  over.expires_at = 1;
  const std::string expired = core::narrow_token(token, over).value();
  const auto wall = std::chrono::system_clock::now().time_since_epoch() + 1h;
  const auto in_an_hour = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
  const std::string early = lab.mint(id, ",\"not_before\":" + std::to_string(in_an_hour));

  for (const std::string& bad :
       {flipped(token, dot + 20), flipped(token, last + 3), flipped(token, 6), token.substr(0, token.size() - 1),
        token.substr(0, last), token + ".", expired, early}) {
    INFO(bad);
    CHECK(seen(lab.signal(id, right + "}", bad)) == expected);
    CHECK(seen(lab.signal(id, right + ",\"token\":\"" + bad + "\"}")) == expected);
  }
  CHECK(seen(lab.signal(id, R"({"name":"stop","payload_text":"right"})", token)) == expected);
  CHECK(seen(lab.signal(id, right + R"(,"waitpoint":"2.w"})", token)) == expected);
  CHECK(seen(lab.signal(other, right + "}", token)) == expected);
  CHECK(seen(lab.signal(id, right + "}", token, "X-FF-Namespace: other\r\n")) == expected);
  CHECK(seen(lab.signal("0-01ARZ3NDEKTSV4RRFFQ69G5FAV", right + "}", token)) == expected);

  CHECK(lab.signals_at(id) == 0);
  CHECK(lab.signals_at(other) == 0);
  HttpClient ops(lab.server.ops_port);
  const std::string page = ops.get("/metrics").raw.body;
  for (const char* fault : {"malformed", "unknown_key", "bad_mac", "not_yet", "expired", "other_namespace",
                            "other_execution", "other_waitpoint", "other_name", "other_payload"}) {
    INFO(fault);
    const std::string line = "ff_waitpoint_tokens_refused_total{fault=\"" + std::string(fault) + "\"} ";
    const std::size_t at = page.find(line);
    REQUIRE(at != std::string::npos);
    CHECK(page[at + line.size()] != '0');
  }
  const auto told = lab.http.post("/v1/tokens/verify", R"({"token":")" + expired + "\"}");
  CHECK(told.text("fault") == "expired");
  CHECK(lab.signal(id, right + "}", token).json.at("resumed") == true);
}

TEST_CASE("a token is for one suspension: not for the next, and not again after the resume") {
  WaitingLab lab;
  const std::string id = lab.waiting("2");
  const std::string used = lab.mint(id), unused = lab.mint(id), reusable = lab.mint(id, R"(,"reusable":true)");
  REQUIRE(lab.signal(id, R"({"name":"go"})", used).json.at("resumed") == true);
  lab.wait_at(id, 2);

  const auto again = lab.signal(id, R"({"name":"go"})", used);
  CHECK(again.json.at("duplicate") == true);
  for (const std::string& token : {unused, reusable}) {
    const auto late = lab.signal(id, R"({"name":"go"})", token);
    CHECK(late.status == 409);
    CHECK(late.reason() == "waitpoint_closed");
    CHECK(lab.signal(id, R"({"name":"go","waitpoint":"2.w"})", token).status == 401);
  }
  CHECK(lab.signals_at(id) == 0);
  CHECK(lab.http.get("/v1/executions/" + id).text("state") == "suspended");
}

TEST_CASE("a holder narrows his token, and what he gave up is gone") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id);
  core::Narrowing narrowing;
  narrowing.names = {"go"};
  narrowing.digest = core::sha256("{\"ok\": true}");
  const std::string narrow = core::narrow_token(token, narrowing).value();

  CHECK(lab.signal(id, R"({"name":"stop","payload":{"ok": true}})", narrow).status == 401);
  CHECK(lab.signal(id, R"({"name":"go","payload":{"ok":true}})", narrow).status == 401);
  CHECK(lab.signal(id, R"({"name":"go","payload":{"ok": true}})", narrow).status == 200);
  const std::string nonce = core::hex(core::read_token(token).value().nonce);
  CHECK(lab.result(id) == "go of token:" + nonce + ": {\"ok\": true}");
}

TEST_CASE("an operator resumes, an event reaches who waits for it, early or late") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  CHECK(lab.http.post("/v1/executions/" + id + "/resume", R"({"step":2})").reason() == "other_step");
  CHECK(lab.http.post("/v1/executions/" + id + "/resume", "").status == 200);
  CHECK(lab.result(id) == "by operator");
  CHECK(lab.http.post("/v1/executions/" + id + "/resume", "").status == 409);

  const auto published = lab.http.post("/v1/events", R"({"name":"payment","key":"early","payload_text":"1 EUR"})");
  CHECK(published.json.at("duplicate") == false);
  const std::string early = lab.http.submit(R"({"kind":"wait_event","payload_text":"early"})");
  CHECK(lab.result(early) == "1 EUR");
  const std::string late = lab.http.submit(R"({"kind":"wait_event","payload_text":"late"})");
  lab.wait_at(late, 1);
  const auto second = lab.http.post("/v1/events", R"({"name":"payment","key":"late","id":"e","payload_text":"2 EUR"})");
  CHECK(second.status == 200);
  CHECK(lab.result(late) == "2 EUR");
}

TEST_CASE("a broadcast reaches who has the tag and waits, a page at a time, each once") {
  WaitingLab lab;
  std::set<std::string> tagged;
  for (const char* team : {"a", "a", "b"}) {
    const std::string id = lab.http.submit(R"({"kind":"wait","tags":{"team":")" + std::string(team) + "\"}}");
    lab.wait_at(id, 1);
    if (std::string(team) == "a") tagged.insert(id);
  }
  std::set<std::string> resumed;
  std::string cursor;
  do {
    const auto page = lab.http.post("/v1/broadcasts", R"({"tag":"team","value":"a","label":"w","name":"go","id":"b1",)"
                                                      R"("limit":1,"cursor":")" + cursor + "\"}");
    INFO(page.raw.body);
    REQUIRE(page.status == 200);
    for (const auto& one : page.json.at("reached").as_array()) {
      CHECK(one.at("resumed").as_bool());
      resumed.emplace(one.at("id").as_string());
    }
    cursor = page.text("cursor");
  } while (!cursor.empty());
  CHECK(resumed == tagged);
  for (const auto& id : tagged) CHECK(lab.result(id) == "go of local: ");
}

TEST_CASE("mistakes in requests about waiting executions are named") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const std::string one = "/v1/executions/" + id;
  struct Wrong {
    std::string path, body;
    int status;
    std::string reason;
  };
  const std::string unknown = "/v1/executions/0-01ARZ3NDEKTSV4RRFFQ69G5FAV";
  for (const Wrong& wrong : std::vector<Wrong>{
           {one + "/signals", "{}", 400, "missing_field"},
           {one + "/signals", R"({"name":"go"})", 400, "missing_field"},
           {one + "/signals", R"({"name":"go","waitpoint":"1.w","source":"me"})", 400, "unknown_field"},
           {one + "/signals", R"({"name":"g o","waitpoint":"1.w"})", 400, "bad_signal"},
           {one + "/signals", R"({"name":"go","waitpoint":"w"})", 400, "bad_waitpoint"},
           {one + "/signals", R"({"name":"go","waitpoint":"1.x"})", 404, "no_such_waitpoint"},
           {one + "/signals", R"({"name":"go","waitpoint":"7.w"})", 404, "no_such_waitpoint"},
           {unknown + "/signals", R"({"name":"go","waitpoint":"1.w"})", 404, "not_found"},
           {one + "/signals", R"({"name":"go","token":"ffw1.x"})", 401, "bad_token"},
           {one + "/signals", "no json", 400, "bad_json"},
           {one + "/waitpoints/1.w/signals", R"({"name":"go","waitpoint":"1.w"})", 400, "unknown_field"},
           {unknown + "/resume", "", 404, "not_found"},
           {one + "/resume", R"({"step":"1"})", 400, "wrong_type"},
           {one + "/tokens", "{}", 400, "missing_field"},
           {one + "/tokens", R"({"waitpoint":"x"})", 404, "no_such_waitpoint"},
           {unknown + "/tokens", R"({"waitpoint":"w"})", 404, "not_found"},
           {one + "/tokens", R"({"waitpoint":"w","expires_in_ms":0})", 400, "bad_expires_in_ms"},
           {one + "/tokens", R"({"waitpoint":"w","payload_sha256":"abc"})", 400, "bad_payload_sha256"},
           {one + "/tokens", R"({"waitpoint":"w","names":"go"})", 400, "wrong_type"},
           {one + "/tokens", R"({"waitpoint":"w","names":[1]})", 400, "wrong_type"},
           {one + "/tokens", R"({"waitpoint":"w","reusable":1})", 400, "wrong_type"},
           {one + "/tokens", R"({"waitpoint":"w","source":"token:x"})", 400, "bad_token_claims"},
           {"/v1/tokens/verify", "{}", 400, "missing_field"},
           {"/v1/events", R"({"key":"k"})", 400, "missing_field"},
           {"/v1/events", R"({"name":"a b","key":"k"})", 400, "bad_event"},
           {"/v1/broadcasts", R"({"tag":"t","value":"v","label":"w","name":"go"})", 400, "missing_field"},
           {"/v1/broadcasts", R"({"tag":"t","value":"v","label":"w","name":"go","id":"i","cursor":"?"})", 400,
            "bad_cursor"},
           {"/v1/broadcasts", R"({"tag":"t","value":"v","label":"w","name":"go","id":"i","limit":0})", 400,
            "bad_limit"},
           {"/v1/admin/keys/rotate", R"({"grace_ms":-1})", 400, "bad_grace_ms"},
           {"/v1/admin/keys/zzzzzzzz/revoke", "{}", 404, "no_such_key"}}) {
    INFO(wrong.path << " " << wrong.body);
    const auto answer = lab.http.post(wrong.path, wrong.body);
    INFO(answer.raw.body);
    CHECK(answer.status == wrong.status);
    CHECK(answer.reason() == wrong.reason);
  }
  const auto active = lab.http.get("/v1/admin/keys").json.at("keys").at(0).at("kid").as_string();
  CHECK(lab.http.post("/v1/admin/keys/" + std::string(active) + "/revoke", "").reason() == "active_key");
  CHECK(lab.signal(id, R"({"name":"go"})", lab.mint(id), "X-FF-Namespace: Bad\r\n").reason() == "bad_namespace");
  const std::string big = R"({"name":"go","waitpoint":"1.w","payload_text":")" + std::string(70'000, 'x') + "\"}";
  CHECK(lab.signal(id, big).reason() == "payload_too_large");
  CHECK(lab.signals_at(id) == 0);
}

TEST_CASE("callers do what their roles and namespaces allow, and signal in their own names") {
  ValkeyServer valkey;
  TempDir dir;
  const std::vector<std::string> names = {"submit", "work", "signal", "operate", "admin"};
  {
    std::ofstream file(dir.file("callers"));
    for (const auto& name : names) file << name << " " << name << " * " << core::sha256_hex("of-" + name) << "\n";
    file << "tenant submit,signal acme " << core::sha256_hex("of-tenant") << "\n";
  }
  auto flags = ServerProcess::on(valkey);
  flags.push_back("--api-callers-file=" + dir.file("callers"));
  ServerProcess server(flags);
  WaitingWorker worker(valkey);
  HttpClient http(server.port);
  const auto status = [&](const std::string& caller, const std::string& method, const std::string& path,
                          const std::string& body = "", const std::string& more = "") {
    const std::string fields = bearer("of-" + caller) + more + (body.empty() ? "" : kJson);
    return http.ask(method, path, body, fields);
  };
  const std::string unknown = "/v1/executions/0-01ARZ3NDEKTSV4RRFFQ69G5FAV";
  struct Right {
    std::string method, path;
    std::set<std::string> allowed;
  };
  for (const Right& right : std::vector<Right>{{"POST", "/v1/executions", {"submit", "admin"}},
                                               {"GET", unknown, {"submit", "work", "operate", "admin"}},
                                               {"POST", unknown + "/cancel", {"submit", "operate", "admin"}},
                                               {"POST", unknown + "/replay", {"operate", "admin"}},
                                               {"DELETE", unknown, {"operate", "admin"}},
                                               {"POST", unknown + "/signals", {"signal", "admin"}},
                                               {"POST", unknown + "/resume", {"operate", "admin"}},
                                               {"POST", unknown + "/tokens", {"operate", "admin"}},
                                               {"POST", "/v1/events", {"signal", "admin"}},
                                               {"GET", "/v1/admin/keys", {"admin"}},
                                               {"GET", "/v1/counts", {"admin"}}}) {
    for (const auto& name : names) {
      INFO(name << " " << right.method << " " << right.path);
      const auto answer = status(name, right.method, right.path);
      CHECK((answer.status == 403) == !right.allowed.contains(name));
      if (answer.status == 403) CHECK(answer.reason() == "role_missing");
    }
  }
  const auto submitted = status("tenant", "POST", "/v1/executions", R"({"kind":"wait"})", "X-FF-Namespace: acme\r\n");
  REQUIRE(submitted.status == 201);
  CHECK(status("tenant", "POST", "/v1/executions", R"({"kind":"wait"})").reason() == "foreign_namespace");
  CHECK(status("nobody", "GET", unknown).status == 401);
  const std::string id = status("submit", "POST", "/v1/executions", R"({"kind":"wait"})").text("id");
  const std::string path = "/v1/executions/" + id;
  REQUIRE(wait_until([&] { return status("submit", "GET", path + "/waitpoints").text("state") == "suspended"; }));
  CHECK(status("signal", "POST", path + "/signals", R"({"name":"go","waitpoint":"1.w"})").status == 200);
  REQUIRE(status("submit", "GET", path + "/result?wait_ms=30000").text("state") == "completed");
  CHECK(status("submit", "GET", path + "/result?raw=1").raw.body == "go of signal: ");
  CHECK(server.process.output().find("of-signal") == std::string::npos);
}

TEST_CASE("each change an operator makes is one line of the audit, with who, what and how, and so is what is refused") {
  ValkeyServer valkey;
  TempDir dir;
  std::ofstream(dir.file("callers")) << "ann submit,operate * " << core::sha256_hex("of-ann") << "\n"
                                     << "key admin * " << core::sha256_hex("of-key") << "\n";
  auto flags = ServerProcess::on(valkey);
  flags.push_back("--api-callers-file=" + dir.file("callers"));
  ServerProcess server(flags);
  WaitingWorker worker(valkey);
  HttpClient http(server.port);
  const auto ask = [&](const std::string& method, const std::string& path, const std::string& body,
                       const std::string& who = "ann") {
    const std::string fields = bearer("of-" + who) + "X-Request-Id: r-1\r\n" + (body.empty() ? "" : kJson);
    return http.ask(method, path, body, fields);
  };
  const auto submit = [&](const std::string& json) {
    return "/v1/executions/" + ask("POST", "/v1/executions", json).text("id");
  };
  const auto waits = submit(R"({"kind":"wait"})"), idle = submit(R"({"kind":"k","lane":"idle"})");
  REQUIRE(wait_until([&] { return ask("GET", waits + "/waitpoints", "").text("state") == "suspended"; }));
  struct Act {
    std::string action, method, path, body, who = "ann";
  };
  const std::vector<Act> acts = {
      {"lane.policy", "PUT", "/v1/lanes/l/policy", R"({"weight":3})"},
      {"lane.pause", "POST", "/v1/lanes/l/pause", R"({"why":"a look"})"},
      {"lane.drain", "POST", "/v1/lanes/l/drain", "{}"},
      {"lane.resume", "POST", "/v1/lanes/l/resume", "{}"},
      {"quota.set", "PUT", "/v1/quotas/q", R"({"concurrency":5})"},
      {"quota.pause", "POST", "/v1/quotas/q/pause", R"({"pause_ms":5})"},
      {"quota.delete", "DELETE", "/v1/quotas/q", ""},
      {"budget.set", "PUT", "/v1/budgets/b", R"({"dimensions":{"t":{"hard":5}}})"},
      {"budget.delete", "DELETE", "/v1/budgets/b", ""},
      {"execution.priority", "POST", idle + "/priority", R"({"priority":7})"},
      {"execution.cancel", "POST", idle + "/cancel", R"({"reason":"no"})"},
      {"execution.replay", "POST", idle + "/replay", "{}"},
      {"token.mint", "POST", waits + "/tokens", R"({"waitpoint":"w"})"},
      {"execution.resume", "POST", waits + "/resume", "{}"},
      {"keys.rotate", "POST", "/v1/admin/keys/rotate", R"({"grace_ms":5})", "key"},
  };
  const auto lines = [&](const std::string& part) {
    std::size_t count = 0;
    const auto output = server.process.output();
    for (auto at = output.find(part); at != std::string::npos; at = output.find(part, at + 1)) ++count;
    return count;
  };
  std::set<std::string> seen = {"execution.purge", "keys.revoke"};  // Asked for below.
  for (const auto& act : acts) {
    INFO(act.action);
    const int status = ask(act.method, act.path, act.body, act.who).status;
    CHECK(status / 100 == 2);
    CHECK(wait_until([&] { return lines("msg=audit action=" + act.action + " ") == 1; }));
    CHECK(lines(" status=" + std::to_string(status) + " caller=" + act.who + " peer=127.0.0.1 request=r-1\n") > 0);
    seen.insert(act.action);
  }
  const std::string pause = R"(action=quota.pause object=q namespace=default body="{\"pause_ms\":5}" status=200 )";
  CHECK(lines(pause + "caller=ann") == 1);
  CHECK(ask("POST", idle + "/cancel", "").status == 200);
  CHECK(ask("DELETE", idle, "").status == 204);
  CHECK(wait_until([&] { return lines("msg=audit action=execution.purge object=" + idle.substr(15)) == 1; }));
  const auto keys = ask("GET", "/v1/admin/keys", "", "key").json.at("keys").as_array();
  for (const auto& key : keys) {
    if (key.at("state") == "active") continue;
    const auto path = "/v1/admin/keys/" + std::string(key.at("kid").as_string());
    CHECK(ask("POST", path + "/revoke", "", "key").status == 200);
  }
  CHECK(wait_until([&] { return lines("msg=audit action=keys.revoke ") > 0; }));
  CHECK(ask("DELETE", "/v1/quotas/q?namespace=acme", "").status == 404);
  const std::string refused = R"(action=quota.delete object=q namespace=acme body="" status=404 )";
  CHECK(wait_until([&] { return lines(refused) == 1; }));
  for (const auto& route : server::http::routes()) {
    INFO(route.pattern);
    const bool operators = (route.roles & (server::kOperate | server::kAdmin)) != 0;
    const bool changes = route.method != server::http::Method::get && operators;
    const bool told_elsewhere = route.pattern.ends_with("/usage") || route.pattern.ends_with("/verify");
    CHECK(route.action.empty() == (!changes || told_elsewhere));
    CHECK((route.action.empty() || seen.contains(std::string(route.action))));
  }
}

TEST_CASE("signals sent again and again, by several senders over two servers, count once each") {
  constexpr int kSignals = 40, kSenders = 4;
  WaitingLab lab;
  ServerProcess second(ServerProcess::on(lab.valkey));
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id, R"(,"reusable":true)");
  const std::uint64_t base = seed();
  std::atomic<int> first{0}, bad{0};
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      Rng rng(base + static_cast<std::uint64_t>(s));
      HttpClient http(s % 2 == 0 ? lab.server.port : second.port);
      std::vector<int> sends;
      for (int n = 0; n < kSignals; ++n) sends.insert(sends.end(), 1 + rng.below(5), n);
      std::shuffle(sends.begin(), sends.end(), rng);
      for (const int n : sends) {
        const std::string body = R"({"name":"x","id":"s)" + std::to_string(n) + "\"}";
        const auto answer = http.ask("POST", "/v1/executions/" + id + "/signals", body, kJson + bearer(token));
        if (answer.status != 200) ++bad;
        else if (!answer.json.at("duplicate").as_bool()) ++first;
      }
    });
  }
  for (auto& sender : senders) sender.join();
  CHECK(bad == 0);
  CHECK(first == kSignals);
  CHECK(lab.signals_at(id) == kSignals);
}
