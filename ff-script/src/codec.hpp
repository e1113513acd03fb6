#pragma once
// Wire types of the generated bindings: how a field is written, and strictly read back.

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

// Takes the fields of one answer apart, in declared order. The first misfit makes finish() answer corrupt/"bad_reply".
class Reader {
 public:
  // `head` fields, then rows of `row_width`. Without rows, fields behind the head are of a newer library and ignored.
  Reader(std::vector<Reply>& fields, std::string_view function, std::size_t head, std::size_t row_width);

  std::size_t rows() const noexcept { return rows_; }
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
  std::size_t next_ = 0, rows_ = 0;
  bool ok_ = true;
  core::Error error_;
};

}  // namespace ff::script::codec
