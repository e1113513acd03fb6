// Conditions, waitpoints, signals, events: what is refused, how they travel.

#include <catch2/catch_test_macros.hpp>

#include "ff/core/limits.hpp"
#include "ff/core/suspension.hpp"

using namespace ff::core;

namespace {

// The message of a refusal, after its code and reason were looked at; empty: accepted.
std::string refused(const Result<void>& result, std::string_view reason) {
  if (result) return {};
  CHECK(result.error().code == Code::invalid_argument);
  CHECK(result.error().reason == reason);
  return result.error().message;
}

bool names(const std::string& message, std::string_view what) { return message.find(what) != std::string::npos; }

Condition deep(std::size_t levels) {
  Condition node = any_signal();
  for (std::size_t i = 1; i < levels; ++i) node = any_of(std::move(node));
  return node;
}

}  // namespace

TEST_CASE("a condition travels as canonical JSON") {
  CHECK(to_wire(any_signal()) == "{}");
  CHECK(to_wire(named("go", "stop")) == R"({"names":["go","stop"]})");
  CHECK(to_wire(named("go").times(3).distinct().at("w")) ==
        R"({"names":["go"],"waitpoint":"w","count":3,"distinct":true})");
  CHECK(to_wire(any_signal().except({"a \"b\" \\"})) == R"({"not_from":["a \"b\" \\"]})");
  CHECK(to_wire(any_of(named("no"), all_of(named("a"), any_signal().times(2)))) ==
        R"({"any":[{"names":["no"]},{"all":[{"names":["a"]},{"count":2}]}]})");
}

TEST_CASE("a condition that breaks a rule is refused, and the place is named") {
  constexpr auto kReason = "bad_condition";
  CHECK(refused(validate(named("go").times(10'000)), kReason).empty());
  CHECK(names(refused(validate(named("go").times(10'001)), kReason), "condition.count is 10001"));
  CHECK(names(refused(validate(any_of(any_signal(), any_signal().times(0))), kReason), "condition.any[1].count is 0"));
  CHECK(names(refused(validate(any_signal().distinct().times(65)), kReason), "must be 1 to 64"));
  CHECK(names(refused(validate(named("a b")), kReason), "condition.names[0]"));
  CHECK(names(refused(validate(any_signal().at("a/b")), kReason), "condition.waitpoint"));
  CHECK(names(refused(validate(any_signal().except({std::string(129, 'x')})), kReason), "condition.not_from[0]"));
  CHECK(names(refused(validate(Condition(Condition::Kind::all, {})), kReason), "condition.all is empty"));
  CHECK(names(refused(validate(all_of(any_signal()).times(2)), kReason), "what belongs to a leaf"));
  Condition leaf = any_signal();
  leaf.parts.push_back(any_signal());
  CHECK(names(refused(validate(leaf), kReason), "has parts"));
  CHECK(refused(validate(deep(limits::kConditionDepth)), kReason).empty());
  CHECK(names(refused(validate(deep(limits::kConditionDepth + 1)), kReason), "is 9 deep"));
  Condition wide(Condition::Kind::any, std::vector<Condition>(limits::kConditionLeaves, any_signal()));
  CHECK(refused(validate(wide), kReason).empty());
  wide.parts.push_back(any_signal());
  CHECK(names(refused(validate(wide), kReason), "leaf number 33"));
  Condition wordy = any_signal();
  wordy.names.assign(33, "x");
  CHECK(names(refused(validate(wordy), kReason), "names has 33 entries"));
}

TEST_CASE("a waitpoint that breaks a rule is refused by its field") {
  constexpr auto kReason = "bad_waitpoint";
  const auto with = [](auto change) {
    Waitpoint waitpoint("w");
    change(waitpoint);
    return refused(validate(waitpoint), kReason);
  };
  CHECK(with([](Waitpoint&) {}).empty());
  CHECK(names(with([](Waitpoint& w) { w.label = "a b"; }), "label"));
  CHECK(names(with([](Waitpoint& w) { w.names.assign(33, "n"); }), "names has 33"));
  CHECK(names(with([](Waitpoint& w) { w.names = {"a,b"}; }), "name is"));
  CHECK(names(with([](Waitpoint& w) { w.max_signals = 10'001; }), "max_signals is 10001"));
  CHECK(names(with([](Waitpoint& w) { w.max_bytes = 262'145; }), "max_bytes is 262145"));
  CHECK(names(with([](Waitpoint& w) { w.expires_in = Millis(-1); }), "expires_in is -1"));
  CHECK(names(with([](Waitpoint& w) { w.key = "k"; }), "no event"));
  CHECK(names(with([](Waitpoint& w) { w.event = "a/b"; }), "event is"));
  CHECK(names(with([](Waitpoint& w) { w.event = "a", w.key = "\n"; }), "key is"));
}

TEST_CASE("a waitpoint's name is <step>.<label> and nothing else") {
  CHECK(WaitpointName::parse("12.approval.second").value() == WaitpointName(12, "approval.second"));
  CHECK(WaitpointName(3, "w").str() == "3.w");
  for (const char* bad : {"", ".", "w", "1", "1.", ".w", "0.w", "01.w", "-1.w", "+1.w", " 1.w", "1 .w", "1.a/b", "1.w ",
                          "1x.w", "9999999999999999.w", "99999999999999999999.w"}) {
    INFO(bad);
    const auto parsed = WaitpointName::parse(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().reason == "bad_waitpoint");
  }
}

TEST_CASE("a signal and an event that break a rule are refused") {
  Signal signal("go", Payload(std::string(limits::kSignalBytes, 'p')));
  CHECK(validate(signal));
  signal.payload.bytes += 'p';
  CHECK(validate(signal).error().reason == "payload_too_large");
  CHECK(names(refused(validate(Signal("a b")), "bad_signal"), "name is"));
  signal = Signal("go");
  signal.source = "\x01";
  CHECK(names(refused(validate(signal), "bad_signal"), "source is"));
  signal = Signal("go");
  signal.id = std::string(129, 'i');
  CHECK(names(refused(validate(signal), "bad_signal"), "id is"));
  signal = Signal("go", Payload("", "nonsense"));
  CHECK(validate(signal).error().reason == "bad_content_type");

  CHECK(validate(Event("paid", "")));
  CHECK(names(refused(validate(Event("a/b", "k")), "bad_event"), "name is"));
  CHECK(names(refused(validate(Event("paid", "\n")), "bad_event"), "key is"));
  Event event("paid", "k");
  event.keep = Millis(-1);
  CHECK(names(refused(validate(event), "bad_event"), "keep is -1"));
}

TEST_CASE("the timeout policies are spelled as on the wire") {
  for (const auto policy : {OnTimeout::fail, OnTimeout::expire, OnTimeout::resume, OnTimeout::retry}) {
    CHECK(parse_on_timeout(to_string(policy)).value() == policy);
  }
  CHECK(parse_on_timeout("explode").error().reason == "bad_timeout");
}

TEST_CASE("a resumption is read exactly or not at all") {
  const std::string whole = std::string("1:37:signals2:102:114:k\0e\xff", 26) + "1:0" + "1:w1:i2:go5:alice2:120:3:a:b";
  const auto resumption = parse_resumption(whole).value();
  CHECK(resumption.step == 3);
  CHECK(resumption.by == Resumption::By::signals);
  CHECK(resumption.suspended_at == 10);
  CHECK(resumption.resumed_at == 11);
  CHECK(resumption.kept == std::string("k\0e\xff", 4));
  REQUIRE(resumption.signals.size() == 1);
  CHECK(resumption.signals[0].source == "alice");
  CHECK(resumption.signals[0].accepted_at == 12);
  CHECK(resumption.signals[0].payload == Payload("a:b"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto cut = parse_resumption(std::string_view(whole).substr(0, length));
    // What is cut between the head and the first signal is whole, too.
    CHECK((cut ? cut->signals.empty() : cut.error().code == Code::corrupt));
  }
  CHECK_FALSE(parse_resumption("1:x7:signals2:102:110:1:0"));
  CHECK_FALSE(parse_resumption("1:37:nothing2:102:110:1:0"));
}
