// JSON that comes in: hostile documents, exact text, and every wrong field named by its path.
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "ff/sdk/client.hpp"
#include "http/execution_json.hpp"
#include "http/json.hpp"
#include "http/submission_json.hpp"
#include "support/seed.hpp"

using namespace ff::server::http;
using ff::core::Code;
using ff::core::Payload;

namespace {

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

struct Wrong {
  std::string body, reason, message;
};

void check_wrong(const Wrong& wrong) {
  INFO(wrong.body.substr(0, 200));
  const auto submission = submission_of_json(wrong.body);
  REQUIRE(!submission);
  CHECK(submission.error().code == Code::invalid_argument);
  CHECK(submission.error().reason == wrong.reason);
  INFO(submission.error().message);
  CHECK(submission.error().message.find(wrong.message) != std::string::npos);
}

}  // namespace

TEST_CASE("hostile documents are refused as bad_json") {
  const std::vector<std::string> all = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "nul",
                                        "NaN",
                                        "{\"a\":NaN}",
                                        "{\"a\":Infinity}",
                                        "{\"a\":-}",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "{\"a\":.5}",
                                        "{\"a\":+1}",
                                        "{\"a\":0x10}",
                                        "{'a':1}",
                                        "{a:1}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "{\"a\" 1}",
                                        "{\"a\":1}x",
                                        "{} {}",
                                        "// c\n{}",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":\"\\udc00\"}",
                                        "{\"a\":\"\\ud800x\"}",
                                        "{\"a\":\"\xed\xa0\x80\"}",
                                        "{\"a\":\"\xc0\xaf\"}",
                                        "{\"a\":\"\xff\"}",
                                        "\xef\xbb\xbf{}",
                                        "{\"a\":\"\x01\"}",
                                        "{\"a\":\"\\x41\"}",
                                        "{\"a\":\"\n\"}",
                                        std::string("{}\0", 3),
                                        std::string("{\"a\":\"\0\"}", 9),
                                        nested(33),
                                        nested(100000),
                                        std::string(100000, '{'),
                                        "{\"a\":" + nested(32) + "}"};
  for (const std::string& text : all) {
    INFO(text.substr(0, 100));
    const auto parsed = parse_json(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().reason == "bad_json");
  }
  CHECK(parse_json(nested(32)));
  CHECK(parse_json("{\"a\":\"\\ud83d\\ude00\"}"));
  CHECK(parse_json("1e999"));  // A number by the grammar; it stays text when it is a payload.
}

TEST_CASE("a key twice is refused with its path, also when it is written in another way") {
  const std::vector<std::pair<std::string, std::string>> all = {
      {R"({"a":1,"a":2})", "the document has the key \"a\" twice"},
      {R"({"a":1,"\u0061":2})", "the document has the key \"a\" twice"},
      {R"({"x":[0,{"y":{"b":1,"c":2,"b":3}}]})", "x[1].y has the key \"b\" twice"}};
  for (const auto& [text, message] : all) {
    const auto parsed = parse_json(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().reason == "duplicate_key");
    CHECK(parsed.error().message == message);
  }
  CHECK(parse_json(R"({"a":{"a":1},"b":{"a":2}})"));
}

TEST_CASE("a document with 100,000 keys is read, and 100,000 digits are a number") {
  std::string keys = "{";
  for (int i = 0; i < 100000; ++i) keys += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":0";
  CHECK(parse_json(keys + "}"));
  const std::string digits = "{\"payload\":" + std::string(100000, '7') + ",\"kind\":\"k\"}";
  CHECK(submission_of_json(digits)->payload.bytes == std::string(100000, '7'));
}

TEST_CASE("the payload is the exact text of the value") {
  const std::vector<std::string> values = {"null",
                                           "1e400",
                                           "-0.0",
                                           "9.990",
                                           "12345678901234567890123",
                                           R"("a\u0041\n\"}]{,")",
                                           "{ \"b\" : [ 1 , {} ] ,\n\"a\":\"\" }",
                                           "[]",
                                           "\"\"",
                                           "true",
                                           R"({"payload":{"payload":1}})",
                                           "\"\xf0\x9f\x98\x80\""};
  for (const std::string& value : values) {
    for (const std::string& body :
         {"{\"kind\":\"k\",\"payload\":" + value + "}", "{ \"payload\" : " + value + " , \"kind\":\"k\" }",
          "\n{\"tags\":{\"payload\":\"x\"},\"\\u0070ayload\"\t:" + value + ",\"kind\":\"k\"}"}) {
      INFO(body);
      const auto submission = submission_of_json(body);
      REQUIRE(submission);
      CHECK(submission->payload == Payload(value, "application/json"));
    }
  }
}

TEST_CASE("random documents: the raw walk finds what the parser found") {
  ff::test::Rng rng(ff::test::seed());
  const std::vector<std::string> scalars = {"1",           "-2.5e3", "true", "null",
                                            R"("x\"y\\")", "\"]}\"", "\"\"", R"("\u0041")"};
  std::function<std::string(int)> make = [&](int depth) {
    const auto kind = depth == 0 ? 0 : rng.below(3);
    const std::string space = rng.chance(0.3) ? " \n" : "";
    if (kind == 0) return space + scalars[rng.below(scalars.size())] + space;
    std::string text = space + (kind == 1 ? "[" : "{") + space;
    const auto count = rng.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i > 0) text += ",";
      if (kind == 2) text += space + "\"k" + std::to_string(i) + "\\\"\"" + space + ":";
      text += make(depth - 1);
    }
    return text + (kind == 1 ? "]" : "}") + space;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string text = "[" + make(4) + "," + make(4) + "]";
    INFO(text);
    const auto whole = parse_json(text);
    REQUIRE(whole);
    const auto elements = raw_elements(text);
    REQUIRE(elements.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      const auto& expected = whole->get_array()[i];
      CHECK(boost::json::serialize(*parse_json(elements[i])) == boost::json::serialize(expected));
      if (!expected.is_object()) continue;
      for (const auto& member : expected.get_object()) {
        const auto raw = raw_member(elements[i], member.key());
        CHECK(boost::json::serialize(*parse_json(raw)) == boost::json::serialize(member.value()));
      }
    }
  }
}

TEST_CASE("every wrong field is named with its path") {
  const std::vector<Wrong> all = {
      {"[]", "wrong_type", "the document is an array, must be an object"},
      {"{}", "missing_field", "kind is missing"},
      {R"({"kind":1})", "wrong_type", "kind is an integer, must be a string"},
      {R"({"kind":null})", "wrong_type", "kind is null, must be a string"},
      {R"({"kind":"k","lane":[]})", "wrong_type", "lane is an array, must be a string"},
      {R"({"kind":"k","priority":"5"})", "wrong_type", "priority is a string, must be an integer"},
      {R"({"kind":"k","priority":5.0})", "wrong_type", "priority is a number that is no 64-bit integer"},
      {R"({"kind":"k","priority":1e3})", "wrong_type", "priority"},
      {R"({"kind":"k","priority":9223372036854775808})", "wrong_type", "priority"},
      {R"({"kind":"k","priority":1e999})", "wrong_type", "priority"},
      {R"({"kind":"k","start_at":true})", "wrong_type", "start_at is a boolean"},
      {R"({"kind":"k","delay_ms":{}})", "wrong_type", "delay_ms is an object"},
      {R"({"kind":"k","deadline_at":"x"})", "wrong_type", "deadline_at"},
      {R"({"kind":"k","deadline_ms":1.5})", "wrong_type", "deadline_ms"},
      {R"({"kind":"k","idempotency_key":7})", "wrong_type", "idempotency_key"},
      {R"({"kind":"k","idempotency_ttl_ms":"7"})", "wrong_type", "idempotency_ttl_ms"},
      {R"({"kind":"k","content_type":7})", "wrong_type", "content_type"},
      {R"({"kind":"k","payload_text":7})", "wrong_type", "payload_text"},
      {R"({"kind":"k","payload_base64":7})", "wrong_type", "payload_base64"},
      {R"({"kind":"k","payload_base64":"a b="})", "bad_base64", "payload_base64"},
      {R"({"kind":"k","payload":1,"payload_text":"x"})", "bad_payload", "give one of"},
      {R"({"kind":"k","tags":[]})", "wrong_type", "tags is an array"},
      {R"({"kind":"k","tags":{"a":1}})", "wrong_type", "tags.a is an integer, must be a string"},
      {R"({"kind":"k","prioritty":1})", "unknown_field", "prioritty is not a field here"},
      {R"({"kind":"k","policy":1})", "wrong_type", "policy is an integer, must be an object"},
      {R"({"kind":"k","policy":{"retries":1}})", "unknown_field", "policy.retries is not a field here"},
      {R"({"kind":"k","policy":{"retry":[]}})", "wrong_type", "policy.retry is an array"},
      {R"({"kind":"k","policy":{"retry":{"max":1}}})", "unknown_field", "policy.retry.max is not"},
      {R"({"kind":"k","policy":{"retry":{"strategy":"random"}}})", "bad_policy", "policy.retry.strategy is \"random\""},
      {R"({"kind":"k","policy":{"retry":{"strategy":1}}})", "wrong_type", "policy.retry.strategy"},
      {R"({"kind":"k","policy":{"retry":{"delay_ms":"1"}}})", "wrong_type", "policy.retry.delay_ms"},
      {R"({"kind":"k","policy":{"retry":{"factor":"2"}}})", "wrong_type",
       "policy.retry.factor is a string, must be a number"},
      {R"({"kind":"k","policy":{"retry":{"factor":1e999}}})", "wrong_type", "policy.retry.factor"},
      {R"({"kind":"k","policy":{"retry":{"jitter":null}}})", "wrong_type", "policy.retry.jitter is null"},
      {R"({"kind":"k","policy":{"retry":{"max_delay_ms":[]}}})", "wrong_type", "policy.retry.max_delay_ms"},
      {R"({"kind":"k","policy":{"retry":{"delays_ms":5}}})", "wrong_type",
       "policy.retry.delays_ms is an integer, must be an array"},
      {R"({"kind":"k","policy":{"retry":{"delays_ms":[1,"2"]}}})", "wrong_type",
       "policy.retry.delays_ms[1] is a string"},
      {R"({"kind":"k","policy":{"retry":{"max_attempts":2.5}}})", "wrong_type", "policy.retry.max_attempts"},
      {R"({"kind":"k","policy":{"retry":{"only":["timeout",3]}}})", "wrong_type", "policy.retry.only[1]"},
      {R"({"kind":"k","policy":{"retry":{"never":"timeout"}}})", "wrong_type", "policy.retry.never"},
      {R"({"kind":"k","policy":{"crash":{"max":"3"}}})", "wrong_type", "policy.crash.max"},
      {R"({"kind":"k","policy":{"crash":{"delay":3}}})", "unknown_field", "policy.crash.delay"},
      {R"({"kind":"k","policy":{"attempt_timeout_ms":true}})", "wrong_type", "policy.attempt_timeout_ms"},
      {R"({"kind":"k","policy":{"retention_ms":"1d"}})", "wrong_type", "policy.retention_ms"},
      {R"({"kind":"k","policy":{"mode":"fat"}})", "bad_policy", "policy.mode is \"fat\", must be record or lean"},
  };
  for (const Wrong& wrong : all) check_wrong(wrong);
}

TEST_CASE("every field of a submission arrives") {
  const auto s = submission_of_json(R"({"kind":"k","lane":"l","payload_text":"hü","content_type":"text/x","priority":7,
    "start_at":5,"delay_ms":0,"deadline_at":6,"deadline_ms":0,"idempotency_key":"i","idempotency_ttl_ms":9,
    "policy":{"retry":{"strategy":"explicit","delays_ms":[1,2],"jitter":0.5,"max_attempts":3,
                       "only":["timeout"],"never":[]},
              "crash":{"max":4,"delay_ms":5,"max_delay_ms":6},"attempt_timeout_ms":7,"retention_ms":8,"mode":"lean"},
    "needs":["gpu","cuda>=12"],"prefers":["ssd"],"fairness_key":"tenant","fairness_weight":3,
    "tags":{"a":"b"}})");

  REQUIRE(s);
  CHECK(ff::core::to_wire(s->requirements) == "+cuda>=12 +gpu ~ssd");
  CHECK(s->fairness_key == "tenant");
  CHECK(s->fairness_weight == 3);
  CHECK(s->kind == "k");
  CHECK(s->lane == "l");
  CHECK(s->payload == Payload("hü", "text/x"));
  CHECK(s->priority == 7);
  CHECK(s->start_at == 5);
  CHECK(s->deadline_at == 6);
  CHECK(s->idempotency_key == "i");
  CHECK(s->idempotency_ttl.count() == 9);
  CHECK(
      ff::core::to_wire(s->policy) ==
      R"({"retry":{"strategy":"explicit","delays_ms":[1,2],"jitter":0.5,"max_attempts":3,)"
        R"("only":["timeout"],"never":[]},)"
      R"("crash":{"max":4,"delay_ms":5,"max_delay_ms":6},"attempt_timeout_ms":7,"retention_ms":8,"mode":"lean"})");
  CHECK(s->tags == ff::core::Tags{{"a", "b"}});
  CHECK(submission_of_json(R"({"kind":"k","payload_base64":"AP8="})")->payload == Payload(std::string("\0\xff", 2)));
  CHECK(submission_of_json(R"({"kind":"k"})")->payload.bytes.empty());
  const auto e = submission_of_json(R"({"kind":"k","delay_ms":3,"deadline_ms":4,
    "policy":{"retry":{"strategy":"exponential","delay_ms":1,"factor":3,"max_delay_ms":2}}})");
  CHECK(e->delay.count() == 3);
  CHECK(e->deadline.count() == 4);
  CHECK(e->policy.retry.factor == 3.0);
  CHECK(e->policy.retry.max_delay->count() == 2);
}

TEST_CASE("every field of a lane's policy arrives, and an unknown one is named") {
  const auto lane_policy_of_json = [](const char* text) { return lane_policy_of(parse_json(text)->get_object()); };
  const auto policy = lane_policy_of_json(R"({"retry":{"max_attempts":2},"mode":"lean","weight":3,"depth":10,
    "concurrency":4,"aging_ms":0,"ordering":"strict"})");
  REQUIRE(policy);
  CHECK(ff::core::to_wire(*policy) ==
        R"({"retry":{"max_attempts":2},"mode":"lean","weight":3,"depth":10,"concurrency":4,"aging_ms":0,)"
        R"("ordering":"strict"})");
  CHECK(ff::core::to_wire(*lane_policy_of_json(R"({"ordering":"spread"})")).empty());
  CHECK(lane_policy_of_json(R"({"order":"strict"})").error().reason == "unknown_field");
  CHECK(lane_policy_of_json(R"({"ordering":"random"})").error().to_string() ==
        R"(invalid_argument/bad_policy: ordering is "random", must be strict or spread)");
  CHECK(lane_policy_of_json(R"({"retry":{"strategy":"x"}})").error().message ==
        R"(retry.strategy is "x", must be fixed, linear, exponential or explicit)");
  CHECK(lane_policy_of_json(R"({"weight":"3"})").error().reason == "wrong_type");
  const auto text = lane_policy_of_json(R"({"concurrency":"3"})").error();
  CHECK(text.reason == "wrong_type");
  CHECK(text.message == "concurrency is a string, must be an integer");
  CHECK(lane_policy_of_json(R"({"concurency":3})").error().reason == "unknown_field");
}

TEST_CASE("a batch names the wrong entry, and takes exact payloads") {
  const auto reason = [](const std::string& body) { return submissions_of_json(body).error().to_string(); };
  CHECK(reason("{}").find("executions is missing") != std::string::npos);
  CHECK(reason(R"({"executions":{}})").find("executions is an object") != std::string::npos);
  CHECK(reason(R"({"executions":[]})").find("bad_batch") != std::string::npos);
  CHECK(reason(R"({"executions":[1]})").find("executions[0] is an integer") != std::string::npos);
  CHECK(reason(R"({"executions":[{"kind":"k"},{"kind":"k","x":1}]})").find("executions[1].x is not a field") !=
        std::string::npos);
  CHECK(reason(R"({"executions":[],"more":1})").find("more is not a field") != std::string::npos);
  std::string many = "{\"executions\":[";
  for (std::size_t i = 0; i <= kBatchMax; ++i) many += i == 0 ? "{}" : ",{}";
  CHECK(reason(many + "]}").find("4097 entries") != std::string::npos);

  const auto good = submissions_of_json(R"({"executions":[{"kind":"a","payload":1.50},{"payload":[ 2 ],"kind":"b"}]})");
  REQUIRE(good);
  REQUIRE(good->size() == 2);
  CHECK((*good)[0].payload.bytes == "1.50");
  CHECK((*good)[1].payload.bytes == "[ 2 ]");
}

TEST_CASE("raw submissions take their fields from the query") {
  Request request;
  request.body = std::string("\0\xff", 2);
  CHECK(submission_of_bytes(request).error().reason == "missing_field");
  request.target.query = {
      {"kind", "k"}, {"lane", "l"}, {"priority", "3"}, {"delay_ms", "4"}, {"idempotency_ttl_ms", "5"}};
  request.headers = {{"content-type", "image/png"}};
  const auto good = submission_of_bytes(request);
  REQUIRE(good);
  CHECK(good->payload == Payload(std::string("\0\xff", 2), "image/png"));
  CHECK(good->priority == 3);
  CHECK(good->delay.count() == 4);
  CHECK(!good->start_at);
  for (const char* wrong : {"", "1.5", "x", " 1", "0x1", "9223372036854775808"}) {
    request.target.query = {{"kind", "k"}, {"priority", wrong}};
    CHECK(submission_of_bytes(request).error().reason == "wrong_type");
  }
}

TEST_CASE("payloads go out as JSON, text or base64, by what they are") {
  const auto written = [](const Payload& payload) {
    JsonWriter writer;
    write_payload(writer, payload);
    return writer.take();
  };
  CHECK(written(Payload("{\"a\":1e400}", "application/json")) ==
        R"({"content_type":"application/json","size":11,"json":{"a":1e400}})");
  CHECK(written(Payload("{broken", "application/json")) ==
        R"({"content_type":"application/json","size":7,"text":"{broken"})");
  CHECK(written(Payload("1", "application/x+json; v=1")).find("\"json\":1") != std::string::npos);
  CHECK(written(Payload("1", "text/plain")).find("\"text\":\"1\"") != std::string::npos);
  CHECK(written(Payload("\xff", "text/plain")).find("\"base64\":\"/w==\"") != std::string::npos);
  CHECK(written(Payload("")).find("\"text\":\"\"") != std::string::npos);
  JsonWriter writer;
  writer.begin_object();
  write_text(writer, "text", "bad \xff byte");
  const std::string text = writer.end_object().take();
  CHECK(text == "{\"text\":\"bad \xef\xbf\xbd byte\",\"text_base64\":\"YmFkIP8gYnl0ZQ==\"}");
  CHECK(parse_json(text));
}

TEST_CASE("texts of workers never make an answer invalid JSON") {
  ff::sdk::Description description;
  description.fields.queue = "default/lane";
  description.fields.text = "\xff\"\x01";
  description.fields.message = "\xc3";
  description.fields.rows.emplace_back().entry = "{\"reason\":\"\xff\"}";
  description.fields.rows.emplace_back().entry = "{\"kind\":\"attempt\"}";
  const auto id = ff::core::ExecutionId::parse("0-01ARZ3NDEKTSV4RRFFQ69G5FAV");

  const auto parsed = parse_json(description_json(*id, description));

  REQUIRE(parsed);
  CHECK(parsed->at("text_base64").as_string() == "/yIB");
  CHECK(parsed->at("history").as_array().size() == 2);
  CHECK(parsed->at("history").as_array()[1].at("kind").as_string() == "attempt");
}

TEST_CASE("a batch of which nothing was accepted is a failure as a whole") {
  using ff::core::Error;
  using ff::sdk::Submitted;
  const auto id = *ff::core::ExecutionId::parse("0-01ARZ3NDEKTSV4RRFFQ69G5FAV");
  const ff::core::Result<Submitted> good = Submitted(id, false), duplicate = Submitted(id, true);
  const ff::core::Result<Submitted> down = Error(Code::unavailable, "connect", "no"),
                                    wrong = Error(Code::invalid_argument, "x", "y");

  CHECK(batch_response({good, duplicate, down}, "r").status == 200);
  CHECK(batch_response({down, wrong}, "r").status == 200);
  const Response failed = batch_response({down, down}, "r");
  CHECK(failed.status == 503);
  CHECK(failed.headers == Fields{{"Retry-After", "1"}});
  const auto parsed = parse_json(failed.body);
  REQUIRE(parsed);
  CHECK(parsed->at("results").as_array().size() == 2);
  CHECK(parsed->at("error").at("request_id").as_string() == "r");
}

TEST_CASE("a history entry stays an object, whatever bytes a handler's text has") {
  ff::sdk::Description description;
  description.fields.rows.emplace_back().entry = "{\"kind\":\"failed\",\"error\":\"na\xefve\"}";

  const auto id = ff::core::ExecutionId::parse("0-01ARZ3NDEKTSV4RRFFQ69G5FAV").value();
  const std::string json = description_json(id, description);

  CHECK(json.ends_with("\"history\":[{\"kind\":\"failed\",\"error\":\"na\xef\xbf\xbdve\"}]}"));
}
