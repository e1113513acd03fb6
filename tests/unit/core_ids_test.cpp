#include "ff/core/ids.hpp"
#include "ff/core/ulid_sequence.hpp"

#include <catch2/catch_test_macros.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

using namespace ff::core;

namespace {

constexpr std::string_view kSpecimen = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Randomness that counts its draws.
struct Fresh {
  Random80 next;
  int draws = 0;
  Random80 operator()() {
    ++draws;
    return next;
  }
};

}  // namespace

TEST_CASE("ids made by one thread ascend and are distinct") {
  std::vector<Ulid> ids;
  for (int i = 0; i < 50'000; ++i) ids.push_back(Ulid::make());

  for (std::size_t i = 1; i < ids.size(); ++i) REQUIRE(ids[i - 1] < ids[i]);
}

TEST_CASE("an id carries the time it was made") {
  const std::int64_t before = now_ms();
  const Ulid id = Ulid::make();
  const std::int64_t after = now_ms();

  // Earlier tests of this thread may have pushed the sequence a little ahead of the clock.
  CHECK(id.made_at_ms() >= before);
  CHECK(id.made_at_ms() <= after + 1);
}

TEST_CASE("every id made is one that parse accepts unchanged") {
  for (int i = 0; i < 1'000; ++i) {
    const Ulid id = Ulid::make();
    const Result<Ulid> parsed = Ulid::parse(id.str());
    REQUIRE(parsed);
    REQUIRE(*parsed == id);
  }
}

TEST_CASE("ids of many threads are distinct") {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kEach = 5'000;
  std::array<std::vector<Ulid>, kThreads> made;
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine] {
      for (std::size_t i = 0; i < kEach; ++i) mine.push_back(Ulid::make());
    });
  }
  for (auto& thread : threads) thread.join();

  std::unordered_set<Ulid> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());

  CHECK(all.size() == kThreads * kEach);
}

TEST_CASE("a forked child does not repeat its parent's ids") {
  std::set<std::string> seen;
  for (int round = 0; round < 20; ++round) {
    REQUIRE(seen.insert(Ulid::make().str()).second);
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const std::string mine = Ulid::make().str();
      ::_exit(::write(ends[1], mine.data(), mine.size()) == 26 ? 0 : 1);
    }
    const std::string parents = Ulid::make().str();
    std::string childs(26, ' ');
    const bool whole = ::read(ends[0], childs.data(), childs.size()) == 26;
    int status = -1;
    ::waitpid(child, &status, 0);
    ::close(ends[0]);
    ::close(ends[1]);

    REQUIRE(whole);
    REQUIRE(status == 0);
    CHECK(seen.insert(parents).second);
    CHECK(seen.insert(childs).second);
    // Not merely one beside the other: the randomness is another.
    CHECK(parents.substr(10, 12) != childs.substr(10, 12));
  }
}

TEST_CASE("parse refuses everything but the canonical form of a ULID") {
  CHECK(Ulid::parse(kSpecimen));
  CHECK(Ulid::parse("00000000000000000000000000"));
  CHECK(Ulid::parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
  const std::vector<std::string> bad = {
      "",
      "01ARZ3NDEKTSV4RRFFQ69G5FA",
      "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
      "81ARZ3NDEKTSV4RRFFQ69G5FAV",
      "A1ARZ3NDEKTSV4RRFFQ69G5FAV",
      "01arz3ndektsv4rrffq69g5fav",
      "01ARZ3NDEKTSV4RRFFQ69G5FAI",
      "01ARZ3NDEKTSV4RRFFQ69G5FAL",
      "01ARZ3NDEKTSV4RRFFQ69G5FAO",
      "01ARZ3NDEKTSV4RRFFQ69G5FAU",
      "01ARZ3NDEKTSV4RRFFQ69G5FA ",
      " 1ARZ3NDEKTSV4RRFFQ69G5FAV",
      "01ARZ3NDEKTSV4RRFFQ69G5F-V",
      std::string("01ARZ3NDEKTSV4RRFFQ69G5FA\0", 26),
      "01ARZ3NDEKTSV4RRFFQ69G5FA\xff",
  };
  for (const std::string& text : bad) {
    INFO(text);
    const Result<Ulid> parsed = Ulid::parse(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::invalid_argument);
    CHECK(parsed.error().reason == "bad_id");
  }
}

TEST_CASE("the time of a known ULID is read") {
  CHECK(Ulid::parse("01ARYZ6S41TSV4RRFFQ69G5FAV")->made_at_ms() == 1469918176385);
  CHECK(Ulid::parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")->made_at_ms() == 281474976710655);
}

TEST_CASE("an execution id is partition and ULID, and prints as it was read") {
  for (const std::string partition : {"0", "7", "63", "100", "1023"}) {
    const std::string text = partition + "-" + std::string(kSpecimen);
    const Result<ExecutionId> id = ExecutionId::parse(text);
    INFO(text);
    REQUIRE(id);
    CHECK(id->str() == text);
    CHECK(id->partition() == std::stoi(partition));
    CHECK(id->ulid().str() == kSpecimen);
  }
}

TEST_CASE("execution ids that are not canonical are refused") {
  const std::string ulid(kSpecimen);
  const std::vector<std::string> bad = {"",
                                        "-",
                                        ulid,
                                        "-" + ulid,
                                        "00-" + ulid,
                                        "01-" + ulid,
                                        "1024-" + ulid,
                                        "65536-" + ulid,
                                        "4294967296-" + ulid,
                                        "99999999999999999999-" + ulid,
                                        "+1-" + ulid,
                                        "-1-" + ulid,
                                        " 1-" + ulid,
                                        "1 -" + ulid,
                                        "0x1-" + ulid,
                                        "a-" + ulid,
                                        "1_" + ulid,
                                        "1--" + ulid,
                                        "1-",
                                        "1-" + ulid + " ",
                                        "1-" + ulid + "-",
                                        "1.0-" + ulid,
                                        "1-01arz3ndektsv4rrffq69g5fav"};
  for (const std::string& text : bad) {
    INFO(text);
    const Result<ExecutionId> id = ExecutionId::parse(text);
    REQUIRE_FALSE(id);
    CHECK(id.error().code == Code::invalid_argument);
    CHECK(id.error().reason == "bad_id");
  }
  CHECK(ExecutionId::parse("1024-" + ulid).error().message ==
        "execution id is \"1024-01ARZ3NDEKTSV4RRFFQ69G5FAV\", its partition must be 0 to 1023 "
        "without leading zeros");
}

TEST_CASE("execution ids can be keys of maps") {
  const Ulid ulid = *Ulid::parse(kSpecimen);
  const std::unordered_set<ExecutionId> ids = {ExecutionId(1, ulid), ExecutionId(2, ulid),
                                               ExecutionId(1, ulid)};
  CHECK(ids.size() == 2);
  CHECK(ExecutionId(1, ulid) < ExecutionId(2, ulid));
}

TEST_CASE("a sequence draws randomness once per millisecond and counts on from there") {
  UlidSequence sequence;
  Fresh fresh{Random80(1, 100)};

  CHECK(sequence.next(5, fresh) == UlidSequence::Step(5, Random80(1, 100)));
  CHECK(sequence.next(5, fresh) == UlidSequence::Step(5, Random80(1, 101)));
  CHECK(sequence.next(5, fresh) == UlidSequence::Step(5, Random80(1, 102)));
  CHECK(fresh.draws == 1);

  fresh.next = Random80(0, 7);
  CHECK(sequence.next(6, fresh) == UlidSequence::Step(6, Random80(0, 7)));
  CHECK(fresh.draws == 2);
}

TEST_CASE("a sequence goes on counting when the clock goes back") {
  UlidSequence sequence;
  Fresh fresh{Random80(0, 1)};
  sequence.next(1'000, fresh);

  CHECK(sequence.next(10, fresh) == UlidSequence::Step(1'000, Random80(0, 2)));
  CHECK(sequence.next(999, fresh) == UlidSequence::Step(1'000, Random80(0, 3)));
  CHECK(sequence.next(1'001, fresh) == UlidSequence::Step(1'001, Random80(0, 1)));
}

TEST_CASE("overflow of the lower 64 bits carries into the upper 16") {
  UlidSequence sequence;
  Fresh fresh{Random80(8, UINT64_MAX)};
  sequence.next(5, fresh);

  CHECK(sequence.next(5, fresh) == UlidSequence::Step(5, Random80(9, 0)));
  CHECK(fresh.draws == 1);
}

TEST_CASE("overflow of all 80 bits moves to the next millisecond with fresh randomness") {
  UlidSequence sequence;
  Fresh fresh{Random80(UINT16_MAX, UINT64_MAX)};
  sequence.next(5, fresh);
  fresh.next = Random80(3, 3);

  CHECK(sequence.next(5, fresh) == UlidSequence::Step(6, Random80(3, 3)));
  CHECK(sequence.next(5, fresh) == UlidSequence::Step(6, Random80(3, 4)));
  CHECK(sequence.next(6, fresh) == UlidSequence::Step(6, Random80(3, 5)));
  CHECK(fresh.draws == 2);
}

TEST_CASE("a sequence that was reset draws again in the same millisecond") {
  UlidSequence sequence;
  Fresh fresh{Random80(0, 1)};
  sequence.next(5, fresh);
  fresh.next = Random80(0, 50);
  sequence.reset();

  CHECK(sequence.next(5, fresh) == UlidSequence::Step(5, Random80(0, 50)));
}

TEST_CASE("the text of an id orders as its parts do") {
  const auto text = [](std::uint64_t ms, std::uint16_t high, std::uint64_t low) {
    return ulid_text(UlidSequence::Step(ms, Random80(high, low)));
  };
  CHECK(text(0, 0, 0) == "00000000000000000000000000");
  CHECK(text((1ULL << 48) - 1, UINT16_MAX, UINT64_MAX) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
  CHECK(text(1469918176385, 0, 1) == "01ARYZ6S410000000000000001");
  CHECK(text(0, 1, 0) == "0000000000000G000000000000");
  CHECK(text(0, 0, UINT64_MAX) == "0000000000000FZZZZZZZZZZZZ");
  CHECK(text(0, UINT16_MAX, 0) == "0000000000ZZZG000000000000");
  CHECK(text(0, 0, 1ULL << 60) == "00000000000001000000000000");
  CHECK(text(7, UINT16_MAX, UINT64_MAX) < text(8, 0, 0));
  CHECK(text(7, 1, UINT64_MAX) < text(7, 2, 0));
}
