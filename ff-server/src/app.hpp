#pragma once
// App: the composition root, the only place where concrete classes meet. Boots, serves until SIGTERM or SIGINT, drains.

#include "config.hpp"

namespace ff::server {

// Runs the server on this thread. Prints the effective configuration and stable lines for scripts on standard output:
//
//   dev valkey: unix socket <path>
//   ops listener: <address>:<port>
//   public listener: <address>:<port>
//   ready
//
// Returns the exit code: 0 after a drain, 1 with one sentence on standard error when it could not start or go on.
int run_app(const Config& config);

}  // namespace ff::server
