#pragma once
// What goes into a suspension and what comes out of it. Thread safety: values and pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ff/core/condition.hpp"
#include "ff/core/payload.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

// What happens when a suspension has waited for its timeout, or can be reached no more because all
// its waitpoints have expired. Enumerators are spelled as on the wire.
enum class OnTimeout : std::uint8_t {
  fail,    // Ends it as failed, class timeout, whatever the retry policy says.
  expire,  // Ends it as expired.
  resume,  // The handler goes on with the mark Resumption::By::timeout.
  retry,   // The attempt has failed, class timeout: the retry policy decides.
};
std::string_view to_string(OnTimeout policy) noexcept;
// Error: invalid_argument/bad_timeout.
Result<OnTimeout> parse_on_timeout(std::string_view text);

// Where signals arrive. Its limits are its owner's: who sends cannot change them.
struct Waitpoint {
  std::string label;               // Unique within the step: see validate_waitpoint_label().
  std::vector<std::string> names;  // Of signals it takes, at most 32; empty: any.
  std::int64_t max_signals = 0;    // 1 to 10000; 0: 1000.
  std::int64_t max_bytes = 0;      // Of one payload, 1 to 256 KiB; 0: 64 KiB.
  Millis expires_in{0};            // After this time it takes nothing; 0: never by itself.
  // Set: published events of this name and key come as signals of this name.
  std::string event, key;

  Waitpoint() = default;
  explicit Waitpoint(std::string l) : label(std::move(l)) {}
};
// Errors: invalid_argument/bad_waitpoint.
Result<void> validate(const Waitpoint& waitpoint);

// "<step>.<label>": how a waitpoint is called among those of its execution. Steps are counted through
// all attempts and replays, so a name is never used again.
struct WaitpointName {
  std::int64_t step = 0;  // From 1.
  std::string label;
  WaitpointName(std::int64_t s, std::string l) : step(s), label(std::move(l)) {}
  // Error: invalid_argument/bad_waitpoint.
  static Result<WaitpointName> parse(std::string_view text);
  std::string str() const { return std::to_string(step) + "." + label; }
  friend bool operator==(const WaitpointName&, const WaitpointName&) = default;
};

// A message to a waitpoint.
struct Signal {
  std::string name;     // What conditions ask for: see validate_signal_name().
  Payload payload;      // At most 256 KiB, and what its waitpoint allows.
  std::string source;   // Who sends, as the caller knows from a credential; empty: nobody in particular.
  // One message has one id, however often it is sent: 1 to 128 bytes of UTF-8. Empty: made anew.
  std::string id;

  Signal() = default;
  explicit Signal(std::string n) : name(std::move(n)) {}
  Signal(std::string n, Payload p) : name(std::move(n)), payload(std::move(p)) {}
};
// Errors: invalid_argument/bad_signal, payload_too_large, bad_content_type.
Result<void> validate(const Signal& signal);

// Published to whoever waits for its name and key.
struct Event {
  std::string name;    // 1 to 64 characters, as of a signal.
  std::string key;     // Correlation key: 0 to 128 bytes of UTF-8 without control characters.
  Payload payload;     // At most 256 KiB.
  std::string source;  // As of a signal.
  std::string id;      // As of a signal; known while the event is kept.
  Millis keep{3'600'000};  // For the first who comes to wait, when nobody does yet; 0 to ten years.

  Event() = default;
  Event(std::string n, std::string k) : name(std::move(n)), key(std::move(k)) {}
};
// Errors: invalid_argument/bad_event, payload_too_large, bad_content_type.
Result<void> validate(const Event& event);

// A signal as its execution gets it.
struct ReceivedSignal {
  std::string waitpoint;  // Label.
  std::string id, name, source;
  TimestampMs accepted_at = 0;
  Payload payload;
  ReceivedSignal() = default;
};

// What a resumed handler goes on with. It is handed over again to every attempt until the execution
// is suspended again or ends.
struct Resumption {
  enum class By : std::uint8_t { signals, timeout, by_operator };  // by_operator: "operator" on the wire.
  std::int64_t step = 0;
  By by = By::signals;
  TimestampMs suspended_at = 0, resumed_at = 0;
  std::string kept;                     // What the handler kept when it suspended.
  std::vector<ReceivedSignal> signals;  // That the condition took, in order; at most 32 and about 128 KiB.
  std::int64_t more_from = 0;           // Not 0: there are more, from this number on; see Client::signals.
  Resumption() = default;
};
// From the field `resumption` of a claim. Error: corrupt/bad_reply.
Result<Resumption> parse_resumption(std::string_view text);

}  // namespace ff::core
