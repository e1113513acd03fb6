#include "audit.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include "parallel.hpp"

namespace files {

namespace asio = boost::asio;
namespace core = ff::core;
namespace sdk = ff::sdk;

namespace {

constexpr std::size_t kAtOnce = 64;

// What the lookers share; it lives in look_at_all.
struct Round {
  Round(sdk::Client c, std::vector<Audited>& a, core::Deadline d) : client(std::move(c)), all(a), deadline(d) {}
  sdk::Client client;
  std::vector<Audited>& all;
  core::Deadline deadline;
  std::size_t next = 0;
  std::optional<core::Error> error;
};

asio::awaitable<core::Result<void>> look(Round& round, Audited& one) {
  auto found = co_await round.client.describe(one.id);
  if (!found) co_return std::move(found).error();
  if (!core::is_terminal(found->state)) {
    auto ended = co_await round.client.wait(one.id, round.deadline);
    if (!ended) co_return std::move(ended).error();
    found = co_await round.client.describe(one.id);
    if (!found) co_return std::move(found).error();
  }
  auto outcome = co_await round.client.result(one.id);
  if (!outcome) co_return std::move(outcome).error();
  one.state = found->state;
  one.generation = found->fields.generation;
  one.attempt = found->fields.attempt;
  one.created_at = found->fields.created_at;
  one.began_at = found->fields.began_at;
  one.ended_at = found->fields.ended_at;
  one.failure_class = found->fields.failure_class;
  one.text = found->fields.text;
  one.facts = Facts::parse(outcome->result.bytes);
  co_return core::Result<void>();
}

asio::awaitable<void> look_at_next(Round& round) {
  while (round.next < round.all.size() && !round.error) {
    auto looked = co_await look(round, round.all[round.next++]);
    if (!looked) round.error = looked.error();
  }
}

}  // namespace

asio::awaitable<core::Result<void>> look_at_all(sdk::Client client, std::vector<Audited>& all,
                                                core::Deadline deadline) {
  Round round(std::move(client), all, deadline);
  std::vector<asio::awaitable<void>> lookers;
  for (std::size_t i = 0; i < kAtOnce; ++i) lookers.push_back(look_at_next(round));
  co_await run_all(std::move(lookers));
  if (round.error) co_return *round.error;
  co_return core::Result<void>();
}

namespace {

// A file that is gone with this object.
class ListFile {
 public:
  explicit ListFile(const std::vector<Audited>& all) {
    const int fd = ::mkstemp(name_.data());
    if (fd < 0) throw std::runtime_error("no temporary file");
    std::FILE* file = ::fdopen(fd, "w");
    for (const auto& one : all) std::fwrite(one.path.c_str(), 1, one.path.size() + 1, file);
    if (std::fclose(file) != 0) throw std::runtime_error("temporary file not written");
  }
  ~ListFile() { ::unlink(name_.data()); }
  ListFile(const ListFile&) = delete;
  ListFile& operator=(const ListFile&) = delete;
  std::string name() const { return name_.data(); }

 private:
  std::array<char, 24> name_{"/tmp/ff-files-XXXXXX"};
};

}  // namespace

std::map<std::string, std::string> sha256sum(const std::vector<Audited>& all) {
  ListFile list(all);
  // -z: lines end in NUL, so no name is escaped. What it cannot read it says on standard error, and goes on.
  const std::string command = "xargs -0 -r -a " + list.name() + " sha256sum -z -- 2>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("sha256sum cannot be run");
  std::map<std::string, std::string> digests;
  char* line = nullptr;
  std::size_t room = 0;
  while (true) {
    const ssize_t size = ::getdelim(&line, &room, '\0', pipe);
    if (size <= 0) break;
    const std::string_view text(line, static_cast<std::size_t>(size) - 1);
    // "<digest>  <name>", the second blank for its text mode.
    if (text.size() > 66) digests[std::string(text.substr(66))] = std::string(text.substr(0, 64));
  }
  ::free(line);
  ::pclose(pipe);
  return digests;
}

}  // namespace files
