#include <catch2/catch_test_macros.hpp>

#include "backoff.hpp"

using ff::core::Millis;
using ff::script::Backoff;
using ff::script::full_jitter;
using ff::script::Random;

TEST_CASE("a wait is at most min * 2^n and at most max") {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    CHECK(full_jitter(Millis(10), Millis(1000), 0, random) <= Millis(10));
    CHECK(full_jitter(Millis(10), Millis(1000), 3, random) <= Millis(80));
    CHECK(full_jitter(Millis(10), Millis(1000), 60, random) <= Millis(1000));
    CHECK(full_jitter(Millis(10), Millis(1000), 60, random) >= Millis(0));
  }
}

TEST_CASE("waits spread over the whole range") {
  Random random(2);
  int low = 0, high = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto wait = full_jitter(Millis(10), Millis(1000), 20, random);
    if (wait < Millis(250)) ++low;
    if (wait > Millis(750)) ++high;
  }

  CHECK(low > 150);
  CHECK(high > 150);
}

TEST_CASE("a minimum of zero means no wait, a maximum below the minimum counts") {
  Random random(3);

  CHECK(full_jitter(Millis(0), Millis(1000), 10, random) == Millis(0));
  CHECK(full_jitter(Millis(100), Millis(0), 10, random) == Millis(0));
}

TEST_CASE("reset starts over") {
  Random random(4);
  Backoff backoff(Millis(1), Millis(100'000));
  for (int i = 0; i < 12; ++i) static_cast<void>(backoff.next(random));

  backoff.reset();

  CHECK(backoff.attempts() == 0);
  CHECK(backoff.next(random) <= Millis(1));
}
