#pragma once
// Executions as they go out: answers as JSON. Pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "ff/core/ids.hpp"
#include "ff/sdk/client.hpp"
#include "http/json_writer.hpp"
#include "http/message.hpp"

namespace ff::server::http {

// {"content_type","size"} and one of "json" (a type of JSON, and bytes that are), "text" (UTF-8) and "base64".
void write_payload(JsonWriter& writer, const core::Payload& payload);
// "<name>": text made valid; "<name>_base64" beside it when bytes had to be replaced.
void write_text(JsonWriter& writer, std::string_view name, std::string_view text);

// Stored JSON that our own library wrote; as text, should it not be JSON after all. An error text or a reason within it
// has the bytes that a handler gave, whatever they are.
void write_stored_json(JsonWriter& writer, std::string_view text);

std::string description_json(const core::ExecutionId& id, const sdk::Description& description);
std::string outcome_json(const core::ExecutionId& id, const sdk::Outcome& outcome);
std::string page_json(const sdk::Page& page);
// {"states":{…},"ready":[{"namespace","lane","executions"}]}
std::string counts_json(const std::map<std::string, std::int64_t>& counts);
// {"results":[{"status","id","duplicate"} or {"status","error"}]}; with "error" in front when nothing was accepted and
// all failed alike, and its status.
Response batch_response(const std::vector<core::Result<sdk::Submitted>>& answers, std::string_view request_id);
// The bytes themselves. No browser may take them for a page of ours.
Response raw_response(const core::Payload& payload);

}  // namespace ff::server::http
