#include "http/worker_json.hpp"

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/execution_json.hpp"
#include "http/json.hpp"
#include "http/request_body.hpp"
#include "http/submission_json.hpp"

namespace ff::server::http {
namespace {

using core::Error;
using core::Millis;
using core::Result;

Result<void> in_range(std::string_view field, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return {};
  return bad("bad_" + std::string(field), std::string(field) + " is " + std::to_string(value) + ", allowed are " +
                                              std::to_string(min) + " to " + std::to_string(max));
}

// The document, of which `read` takes all but the lease. The path's worker must be one.
template <class Body, class Read>
Result<Body> body_with_lease(const Request& request, Read read) {
  if (auto name = worker_of(request); !name) return std::move(name).error();
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::string text;
  reader.require("lease");
  reader.text("lease", text);
  if (error) return std::move(*error);
  FF_TRY(lease, sdk::Lease::parse(text));
  Body body(std::move(lease));
  read(reader, body);
  reader.finish();
  if (error) return std::move(*error);
  return body;
}

Result<void> check_claim(const ClaimBody& body, std::int64_t count, std::int64_t lease) {
  if (body.options.lanes.empty()) return bad("bad_lane", "lanes is empty: name one or more");
  if (body.options.lanes.size() > kLanesMax) return bad("bad_lane", "lanes has more than 64 of them");
  for (const auto& lane : body.options.lanes) {
    if (auto good = core::validate_lane(lane); !good) return good;
  }
  if (body.options.capabilities.size() > core::limits::kCapabilitiesMax) {
    return bad("bad_capability", "capabilities has more than 64 of them");
  }
  for (const auto& capability : body.options.capabilities) {
    if (auto good = core::validate_capability(capability); !good) return good;
  }
  if (auto good = in_range("count", count, 1, kClaimMax); !good) return good;
  return in_range("lease_ms", lease, core::limits::kLeaseMsMin, core::limits::kLeaseMsMax);
}

}  // namespace

Result<std::string> worker_of(const Request& request) {
  const std::string& name = request.captures.at(0);
  if (core::validate_worker(name) && name.size() <= kWorkerNameMax) return name;
  return bad("bad_worker", "worker is " + core::shown(name) + ", must be 1 to 50 letters, digits, '.', '_', ':', '@' " +
                               "and '-', the first a letter or digit");
}

Result<ClaimBody> claim_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  ClaimBody body;
  std::optional<std::vector<std::string>> lanes, capabilities;
  std::int64_t count = 1, lease = body.options.lease.count();
  read_strings(reader, "lanes", lanes);
  read_strings(reader, "capabilities", capabilities);
  reader.integer("count", count);
  reader.integer("lease_ms", lease);
  reader.finish();
  if (error) return std::move(*error);
  if (lanes) body.options.lanes = std::move(*lanes);
  if (capabilities) body.options.capabilities.insert(capabilities->begin(), capabilities->end());
  if (auto good = check_claim(body, count, lease); !good) return std::move(good).error();
  body.count = static_cast<std::size_t>(count);
  body.options.lease = Millis(lease);
  return body;
}

Result<std::vector<sdk::Lease>> renewal_body_of(const Request& request) {
  if (auto name = worker_of(request); !name) return std::move(name).error();
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::optional<std::vector<std::string>> texts;
  reader.require("leases");
  read_strings(reader, "leases", texts);
  reader.finish();
  if (error) return std::move(*error);
  if (auto good = in_range("leases", static_cast<std::int64_t>(texts->size()), 1, kRenewMax); !good) {
    return std::move(good).error();
  }
  std::vector<sdk::Lease> leases;
  for (const auto& text : *texts) {
    FF_TRY(lease, sdk::Lease::parse(text));
    leases.push_back(std::move(lease));
  }
  return leases;
}

Result<CompletionBody> completion_body_of(const Request& request) {
  return body_with_lease<CompletionBody>(request, [&request](ObjectReader& reader, CompletionBody& body) {
    read_payload(reader, request.body, body.result);
  });
}

Result<FailureBody> failure_body_of(const Request& request) {
  return body_with_lease<FailureBody>(request, [](ObjectReader& reader, FailureBody& body) {
    std::int64_t retry_after = -1;
    reader.require("failure_class");
    reader.text("failure_class", body.failure.failure_class);
    reader.text("text", body.failure.text);
    reader.integer("retry_after_ms", retry_after);
    body.failure.retry_after = Millis(retry_after);
  });
}

Result<ReleaseBody> release_body_of(const Request& request) {
  return body_with_lease<ReleaseBody>(request, [](ObjectReader& reader, ReleaseBody& body) {
    std::int64_t delay = 0;
    reader.integer("delay_ms", delay);
    reader.text("reason", body.how.reason);
    body.how.delay = Millis(delay);
    const auto* started = reader.take("started");
    if (started == nullptr) return;
    if (started->is_bool()) body.started = started->get_bool();
    else reader.wrong_type("started", "true or false", *started);
  });
}

Result<ProgressBody> progress_body_of(const Request& request) {
  auto body = body_with_lease<ProgressBody>(request, [](ObjectReader& reader, ProgressBody& read) {
    reader.integer("percent", read.percent);
    reader.text("message", read.message);
  });
  if (!body) return body;
  if (auto good = in_range("percent", body->percent, -1, 100); !good) return std::move(good).error();
  return body;
}

std::string claimed_json(const std::vector<sdk::Leased>& taken) {
  JsonWriter writer;
  writer.begin_object().key("executions").begin_array();
  for (const auto& one : taken) {
    const auto& task = *one.task;
    writer.begin_object().field("id", task.id().str()).field("lease", one.lease.str());
    writer.field("lease_ms", one.lease.duration.count()).field("kind", task.kind());
    writer.field("lane", std::string_view(task.queue()).substr(task.queue().find('/') + 1));
    writer.field("attempt", task.attempt()).field("generation", task.generation());
    writer.field("failures", task.failures()).field("epoch", task.epoch());
    writer.field("created_at", task.created_at()).field("ready_at", task.ready_at());
    writer.field("attempt_timeout_ms", task.timeout_ms()).field("requirements", task.requirements());
    writer.key("tags");
    write_stored_json(writer, task.tags().empty() ? "{}" : task.tags());
    writer.key("payload");
    write_payload(writer, task.payload());
    writer.end_object();
  }
  return writer.end_array().end_object().take();
}

std::string renewals_json(const std::vector<sdk::Lease>& leases, const std::vector<sdk::Renewal>& renewals) {
  JsonWriter writer;
  writer.begin_object().key("leases").begin_array();
  for (std::size_t i = 0; i < leases.size() && i < renewals.size(); ++i) {
    writer.begin_object().field("lease", leases[i].str()).field("outcome", to_string(renewals[i].outcome));
    if (renewals[i].outcome == sdk::Renewal::Outcome::cancelling) writer.field("grace_ms", renewals[i].grace.count());
    writer.end_object();
  }
  return writer.end_array().end_object().take();
}

}  // namespace ff::server::http
