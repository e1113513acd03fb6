#pragma once
// Wire types of the generated bindings: how a field is written, and strictly read back.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/script/connection.hpp"

namespace ff::script::codec {

inline void put(Command& command, const std::string& bytes) { command.arg(bytes); }
inline void put(Command& command, std::int64_t number) { command.arg(number); }
inline void put(Command& command, bool flag) { command.arg(flag ? std::string_view("1") : std::string_view("0")); }
void put(Command& command, const std::vector<std::string>& names);

// Rare fields (lua/prelude/verb.lua) travel only where one of them is not this.
inline bool nothing(const std::string& bytes) { return bytes.empty(); }
inline bool nothing(std::int64_t number) { return number == 0; }

// How many values a row has whose `all` declared fields include the rare ones of the sum `rare`, of which `columns` are
// there.
inline std::size_t width(std::size_t all, std::int64_t rare, std::int64_t columns) {
  return all - static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(rare & ~columns)));
}

// Takes the fields of one answer apart, in declared order. The first misfit makes finish() answer corrupt/"bad_reply".
class Reader {
 public:
  // Fields that nobody gets are of a newer library and ignored.
  Reader(std::vector<Reply>& fields, std::string_view function) : fields_(fields), function_(function) {}

  // Which of the rare fields, `rare` all of them, the rows have.
  std::int64_t columns(std::int64_t rare);
  // What is left are rows of this many fields: how many.
  std::size_t rows(std::size_t width);
  bool more() const noexcept { return ok_ && next_ < fields_.size(); }
  void get(std::string& value, std::string_view name);
  void get(std::int64_t& value, std::string_view name);
  void get(bool& value, std::string_view name);
  void get(std::vector<std::string>& value, std::string_view name);

  template <class Ok>
  core::Result<Ok> finish(Ok ok) {
    if (!ok_) return std::move(error_);
    return ok;
  }

 private:
  Reply* next(std::string_view name);
  void fail(std::string_view name, std::string_view what);

  std::vector<Reply>& fields_;
  std::string_view function_;
  std::size_t next_ = 0;
  bool ok_ = true;
  core::Error error_;
};

}  // namespace ff::script::codec
