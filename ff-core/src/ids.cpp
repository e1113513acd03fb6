#include "ff/core/ids.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <random>

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "ff/core/ulid_sequence.hpp"

namespace ff::core {
namespace {

constexpr std::string_view kBase32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kUlidChars = 26;
constexpr std::size_t kTimeChars = 10;
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase32.size(); ++i) {
    digits[static_cast<std::uint8_t>(kBase32[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}();

std::uint8_t digit(char c) {
  return kDigits[static_cast<std::uint8_t>(c)];
}

// The generator of one thread. Fresh randomness is drawn at most once per millisecond, so the
// device's price does not show.
class Generator {
 public:
  UlidSequence::Step next() {
    const pid_t pid = ::getpid();
    if (pid != pid_) sequence_.reset();
    pid_ = pid;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    return sequence_.next(static_cast<std::uint64_t>(ms), [this] {
      const auto high = static_cast<std::uint16_t>(device_());
      const std::uint64_t upper = device_();
      return Random80(high, upper << 32 | device_());
    });
  }

 private:
  std::random_device device_;
  UlidSequence sequence_;
  pid_t pid_ = -1;
};

Error bad_id(std::string message) {
  return Error(Code::invalid_argument, "bad_id", std::move(message));
}

}  // namespace

std::string ulid_text(const UlidSequence::Step& step) {
  std::string text(kUlidChars, '0');
  std::uint64_t ms = step.ms;
  for (std::size_t i = kTimeChars; i-- > 0; ms >>= 5) text[i] = kBase32[ms & 31];
  // 80 bits are 16 characters: the lower 12 from the low word, one from both, the first 3 from the
  // high word.
  std::uint64_t low = step.random.low;
  for (std::size_t i = kUlidChars; i-- > kUlidChars - 12; low >>= 5) text[i] = kBase32[low & 31];
  std::uint32_t high =
      static_cast<std::uint32_t>(step.random.high) << 4 | static_cast<std::uint32_t>(low);
  for (std::size_t i = kUlidChars - 12; i-- > kTimeChars; high >>= 5)
    text[i] = kBase32[high & 31];
  return text;
}

Ulid Ulid::make() {
  thread_local Generator generator;
  return Ulid(ulid_text(generator.next()));
}

Result<Ulid> Ulid::parse(std::string_view text) {
  if (text.size() != kUlidChars) {
    return bad_id("ulid is " + shown(text) + ", must have 26 characters");
  }
  if (text[0] < '0' || text[0] > '7') {
    return bad_id("ulid is " + shown(text) + ", must begin with 0 to 7");
  }
  for (const char c : text) {
    if (digit(c) == kNoDigit) {
      return bad_id("ulid is " + shown(text) +
                    ", must consist of 0-9 and A-Z without I, L, O and U");
    }
  }
  return Ulid(std::string(text));
}

std::int64_t Ulid::made_at_ms() const noexcept {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < kTimeChars; ++i) ms = ms << 5 | digit(text_[i]);
  return ms;
}

Result<ExecutionId> ExecutionId::parse(std::string_view text) {
  const auto refuse = [text](std::string_view rule) {
    return bad_id("execution id is " + shown(text) + ", " + std::string(rule));
  };
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return refuse("must be <partition>-<ULID>");
  const std::string_view digits = text.substr(0, dash);
  unsigned partition = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), partition);
  const bool number = error == std::errc() && end == digits.data() + digits.size();
  if (!number || partition >= limits::kPartitionsMax || (digits.size() > 1 && digits[0] == '0')) {
    return refuse("its partition must be 0 to 1023 without leading zeros");
  }
  FF_TRY(ulid, Ulid::parse(text.substr(dash + 1)));
  return ExecutionId(static_cast<Partition>(partition), std::move(ulid));
}

}  // namespace ff::core
