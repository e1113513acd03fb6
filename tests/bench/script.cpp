#include "bench/script.hpp"

#include "bench/session.hpp"
#include "support/process.hpp"

namespace ff::bench {
namespace {

void step_done(const std::string& hook, const std::string& step) {
  if (!hook.empty()) test::run_program({hook, step}, std::chrono::minutes(2));
}

}  // namespace

// Callgrind counts the client's instructions inside these three: so they are neither inlined nor left by a jump.
#define FF_COUNTED __attribute__((noinline, visibility("default")))
FF_COUNTED void counted_submit(Lifecycles& load, long n) {
  load.submit(n);
  asm volatile("");
}
FF_COUNTED void counted_claim(Lifecycles& load, long n) {
  load.claim(n);
  asm volatile("");
}
FF_COUNTED void counted_complete(Lifecycles& load) {
  load.complete();
  asm volatile("");
}

void run_script(const std::string& socket, long executions, int batch, core::Mode mode, const std::string& hook) {
  script::ConnectionOptions options;
  options.unix_socket = socket;
  Session session(options, 1);
  Lifecycles load(session, Shape(mode, batch));
  const long warm = 4L * batch;
  load.submit(warm);
  load.claim(warm);
  load.complete();
  step_done(hook, "warm");
  counted_submit(load, executions);
  step_done(hook, "submit");
  counted_claim(load, executions);
  step_done(hook, "claim");
  counted_complete(load);
  step_done(hook, "complete");
}

}  // namespace ff::bench
