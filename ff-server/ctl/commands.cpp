#include "commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "arguments.hpp"
#include "ff/core/base64.hpp"
#include "ff/core/sha256.hpp"
#include "ff/core/text.hpp"
#include "ff/core/token.hpp"
#include "http/json_writer.hpp"
#include "http_client.hpp"

namespace ff::ctl {
namespace {

using core::Error;
using core::Result;
using server::http::JsonWriter;

constexpr std::int64_t kPollMs = 30'000;
constexpr std::string_view kPayloadFlags = "--payload= --payload-file= --content-type=";

// What a command runs with.
struct Session {
  const Settings& settings;
  const Arguments& arguments;
};

Result<std::string> file_or_stdin(const std::string& path) {
  std::string text;
  if (path == "-") {
    std::array<char, 65536> chunk{};
    while (const std::size_t count = std::fread(chunk.data(), 1, chunk.size(), stdin)) text.append(chunk.data(), count);
    return text;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return wrong_use("the file " + core::shown(path) + " cannot be read");
  text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  return text;
}

// A token never stands on a command line, where every user of the machine can see it.
Result<std::string> token_from(const std::string& path) {
  FF_TRY(text, file_or_stdin(path));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

Result<void> write_payload(JsonWriter& writer, const Arguments& arguments) {
  if (arguments.has("--payload") && arguments.has("--payload-file"))
    return wrong_use("--payload and --payload-file are both given");
  std::string bytes = arguments.text("--payload");
  if (arguments.has("--payload-file")) {
    FF_TRY(content, file_or_stdin(arguments.text("--payload-file")));
    bytes = std::move(content);
  }
  if (!arguments.has("--payload") && !arguments.has("--payload-file")) return {};
  boost::system::error_code no_json;
  boost::json::parse(bytes, no_json);
  const bool typed = arguments.has("--content-type");
  if (!typed && !no_json) writer.key("payload").raw(bytes);
  else writer.field("payload_base64", core::base64_encode(bytes));
  if (typed) writer.field("content_type", arguments.text("--content-type"));
  return {};
}

// The flags that were given, "--delay-ms" as "delay_ms".
Result<void> write_numbers(JsonWriter& writer, const Arguments& arguments, const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) {
    FF_TRY(number, arguments.number(flag));
    std::string field = flag.substr(2);
    std::replace(field.begin(), field.end(), '-', '_');
    if (number) writer.field(field, *number);
  }
  return {};
}

void write_text(JsonWriter& writer, const Arguments& arguments, const std::string& flag, std::string_view field) {
  if (arguments.has(flag)) writer.field(field, arguments.text(flag));
}

void write_names(JsonWriter& writer, const Arguments& arguments) {
  if (!arguments.has("--names")) return;
  writer.key("names").begin_array();
  for (const std::string& name : words_of(arguments.text("--names"))) writer.string(name);
  writer.end_array();
}

Result<HttpReply> ask(const Settings& settings, std::string method, std::string target, std::string body = {}) {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.time = core::Millis(kPollMs + 30'000);
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  if (!settings.ns.empty()) request.headers.emplace_back("X-FF-Namespace", settings.ns);
  if (!settings.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + settings.token.reveal());
  return send_request(settings.server, request);
}

int complain(const Error& error) {
  fmt::print(stderr, "ffctl: {}\n", error.to_string());
  if (error.reason == "usage" || error.code == core::Code::invalid_argument) return kWrongUse;
  return error.code == core::Code::unavailable || error.code == core::Code::unknown_outcome ? kNoAnswer : kRefused;
}

// The refusal in an answer: "conflict/already_finished: …".
int complain(const HttpReply& reply) {
  boost::system::error_code no_json;
  const auto json = boost::json::parse(reply.body, no_json);
  const auto* object = !no_json && json.is_object() ? json.get_object().if_contains("error") : nullptr;
  if (object != nullptr && object->is_object()) {
    const auto text = [&](const char* name) {
      const auto* value = object->get_object().if_contains(name);
      return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    fmt::print(stderr, "ffctl: {}/{}: {}\n", text("code"), text("reason"), text("message"));
  } else {
    fmt::print(stderr, "ffctl: the server answered {}\n", reply.status);
  }
  return reply.status >= 500 ? kNoAnswer : kRefused;
}

int print_reply(const Result<HttpReply>& reply) {
  if (!reply) return complain(reply.error());
  if (reply->status >= 300) return complain(*reply);
  if (!reply->body.empty()) fmt::print("{}\n", reply->body);
  return kDone;
}

std::string execution(const Session& session, std::string_view rest = {}) {
  return "/v1/executions/" + url_escaped(session.arguments.at(0)) + std::string(rest);
}

int submit(const Session& session) {
  JsonWriter writer;
  writer.begin_object().field("kind", session.arguments.at(0));
  write_text(writer, session.arguments, "--lane", "lane");
  write_text(writer, session.arguments, "--key", "idempotency_key");
  auto good = write_numbers(writer, session.arguments, {"--priority", "--delay-ms"});
  if (good) good = write_payload(writer, session.arguments);
  if (!good) return complain(good.error());
  return print_reply(ask(session.settings, "POST", "/v1/executions", writer.end_object().take()));
}

int get(const Session& session) { return print_reply(ask(session.settings, "GET", execution(session))); }

int list(const Session& session) {
  std::string target = "/v1/executions?state=" + url_escaped(session.arguments.at(0));
  for (const char* name : {"lane", "limit", "cursor"}) {
    const std::string flag = std::string("--") + name;
    const std::string value = url_escaped(session.arguments.text(flag));
    if (session.arguments.has(flag)) target += "&" + std::string(name) + "=" + value;
  }
  return print_reply(ask(session.settings, "GET", target));
}

int cancel(const Session& session) {
  JsonWriter writer;
  writer.begin_object();
  write_text(writer, session.arguments, "--reason", "reason");
  if (auto good = write_numbers(writer, session.arguments, {"--grace-ms"}); !good) return complain(good.error());
  return print_reply(ask(session.settings, "POST", execution(session, "/cancel"), writer.end_object().take()));
}

int replay(const Session& session) {
  return print_reply(ask(session.settings, "POST", execution(session, "/replay"), "{}"));
}

int result(const Session& session) {
  const bool raw = session.arguments.has("--raw");
  const auto reply = ask(session.settings, "GET", execution(session, raw ? "/result?raw=1" : "/result"));
  if (!raw || !reply || reply->status >= 300) return print_reply(reply);
  std::fwrite(reply->body.data(), 1, reply->body.size(), stdout);
  return kDone;
}

int wait(const Session& session) {
  const auto limit = session.arguments.number("--timeout-ms");
  if (!limit) return complain(limit.error());
  const auto end = std::chrono::steady_clock::now() + core::Millis(limit->value_or(24LL * 3600 * 1000));
  for (;;) {
    const auto left = std::chrono::duration_cast<core::Millis>(end - std::chrono::steady_clock::now()).count();
    const std::int64_t poll = std::min(std::max<std::int64_t>(left, 1), kPollMs);
    const auto reply = ask(session.settings, "GET", execution(session, "/result?wait_ms=" + std::to_string(poll)));
    if (!reply || reply->status >= 300) return print_reply(reply);
    boost::system::error_code no_json;
    const auto json = boost::json::parse(reply->body, no_json);
    if (no_json) return complain(Error(core::Code::corrupt, "bad_answer", "the server's answer is no JSON"));
    if (json.at("finished").as_bool()) {
      print_reply(reply);
      return json.at("state").as_string() == "completed" ? kDone : kOtherEnd;
    }
    if (left <= poll) {
      fmt::print(stderr, "ffctl: {} has not ended in time\n", session.arguments.at(0));
      return kTimeOver;
    }
  }
}

int waitpoints(const Session& session) {
  return print_reply(ask(session.settings, "GET", execution(session, "/waitpoints")));
}

int signal(const Session& session) {
  JsonWriter writer;
  writer.begin_object().field("name", session.arguments.at(1));
  write_text(writer, session.arguments, "--waitpoint", "waitpoint");
  write_text(writer, session.arguments, "--id", "id");
  Settings settings = session.settings;
  if (session.arguments.has("--token-file")) {
    const auto token = token_from(session.arguments.text("--token-file"));
    if (!token) return complain(token.error());
    settings.token = core::Secret(*token);
  }
  if (auto good = write_payload(writer, session.arguments); !good) return complain(good.error());
  return print_reply(ask(settings, "POST", execution(session, "/signals"), writer.end_object().take()));
}

int resume(const Session& session) {
  JsonWriter writer;
  writer.begin_object();
  if (auto good = write_numbers(writer, session.arguments, {"--step"}); !good) return complain(good.error());
  return print_reply(ask(session.settings, "POST", execution(session, "/resume"), writer.end_object().take()));
}

int publish(const Session& session) {
  JsonWriter writer;
  writer.begin_object().field("name", session.arguments.at(0)).field("key", session.arguments.at(1));
  write_text(writer, session.arguments, "--id", "id");
  auto good = write_numbers(writer, session.arguments, {"--keep-ms"});
  if (good) good = write_payload(writer, session.arguments);
  if (!good) return complain(good.error());
  return print_reply(ask(session.settings, "POST", "/v1/events", writer.end_object().take()));
}

int token_mint(const Session& session) {
  JsonWriter writer;
  writer.begin_object().field("waitpoint", session.arguments.at(1));
  write_text(writer, session.arguments, "--source", "source");
  write_text(writer, session.arguments, "--payload-sha256", "payload_sha256");
  write_names(writer, session.arguments);
  const auto good = write_numbers(writer, session.arguments, {"--expires-in-ms", "--not-before"});
  if (!good) return complain(good.error());
  if (session.arguments.has("--reusable")) writer.flag("reusable", true);
  const auto reply = ask(session.settings, "POST", execution(session, "/tokens"), writer.end_object().take());
  if (!reply || reply->status >= 300) return print_reply(reply);
  boost::system::error_code no_json;
  const auto json = boost::json::parse(reply->body, no_json);
  if (no_json) return complain(Error(core::Code::corrupt, "bad_answer", "the server's answer is no JSON"));
  fmt::print("{}\n", std::string(json.at("token").as_string()));
  return kDone;
}

int token_verify(const Session& session) {
  const auto token = token_from(session.arguments.at(0));
  if (!token) return complain(token.error());
  JsonWriter writer;
  writer.begin_object().field("token", *token);
  const auto reply = ask(session.settings, "POST", "/v1/tokens/verify", writer.end_object().take());
  const int code = print_reply(reply);
  return code == kDone && reply->body.find("\"valid\":true") == std::string::npos ? kRefused : code;
}

Result<std::string> narrowed(const Arguments& arguments) {
  FF_TRY(token, token_from(arguments.at(0)));
  core::Narrowing narrowing;
  FF_TRY(expires_in, arguments.number("--expires-in-ms"));
  const auto now = std::chrono::system_clock::now().time_since_epoch();  // A holder's own; the server's may differ.
  if (expires_in) narrowing.expires_at = std::chrono::duration_cast<core::Millis>(now).count() + *expires_in;
  narrowing.names = words_of(arguments.text("--names"));
  if (arguments.has("--payload-file")) {
    FF_TRY(bytes, file_or_stdin(arguments.text("--payload-file")));
    narrowing.digest = core::sha256(bytes);
  }
  return narrow_token(token, std::move(narrowing));
}

int token_attenuate(const Session& session) {
  const auto token = narrowed(session.arguments);
  if (!token) return complain(token.error());
  fmt::print("{}\n", *token);
  return kDone;
}

int keys_list(const Session& session) { return print_reply(ask(session.settings, "GET", "/v1/admin/keys")); }

int keys_rotate(const Session& session) {
  JsonWriter writer;
  writer.begin_object();
  if (auto good = write_numbers(writer, session.arguments, {"--grace-ms"}); !good) return complain(good.error());
  return print_reply(ask(session.settings, "POST", "/v1/admin/keys/rotate", writer.end_object().take()));
}

int keys_revoke(const Session& session) {
  return print_reply(
      ask(session.settings, "POST", "/v1/admin/keys/" + url_escaped(session.arguments.at(0)) + "/revoke", "{}"));
}

struct Command {
  std::string_view name, positions;
  std::string_view flags;  // As Arguments takes them.
  bool payload;            // And those of a payload.
  std::string_view help;
  int (*run)(const Session&);
};

constexpr std::array kCommands = {
    Command{"submit", "KIND", "--lane= --priority= --delay-ms= --key=", true, "submits an execution", submit},
    Command{"get", "ID", "", false, "everything about an execution but payload and result", get},
    Command{"list", "STATE", "--lane= --limit= --cursor=", false, "a page of the executions in a state", list},
    Command{"cancel", "ID", "--reason= --grace-ms=", false, "cancels an execution", cancel},
    Command{"replay", "ID", "", false, "runs a finished execution again", replay},
    Command{"result", "ID", "--raw", false, "state and result as they are now; --raw: the result's bytes", result},
    Command{"wait", "ID", "--timeout-ms=", false, "waits for the end; exit code 4 for any but completed", wait},
    Command{"waitpoints", "ID", "", false, "what an execution waits for, and what is missing", waitpoints},
    Command{"signal", "ID NAME", "--waitpoint= --id= --token-file=", true,
            "sends a signal, as a caller or with a waitpoint token", signal},
    Command{"resume", "ID", "--step=", false, "ends a suspension by hand", resume},
    Command{"publish", "NAME KEY", "--id= --keep-ms=", true, "publishes an event to all who wait for it", publish},
    Command{"token mint", "ID WAITPOINT",
            "--names= --source= --expires-in-ms= --not-before= --payload-sha256= --reusable", false,
            "makes a token for a waitpoint (its name or label)", token_mint},
    Command{"token verify", "FILE", "", false, "whether a token (- : standard input) is good, and why not",
            token_verify},
    Command{"token attenuate", "FILE", "--expires-in-ms= --names= --payload-file=", false,
            "narrows a token, without the server", token_attenuate},
    Command{"keys list", "", "", false, "the keys that sign tokens", keys_list},
    Command{"keys rotate", "", "--grace-ms=", false, "a new key signs from now on", keys_rotate},
    Command{"keys revoke", "KID", "", false, "no token of this key is good any more", keys_revoke},
};

std::string usage_of(const Command& command) {
  std::string text = "ffctl " + std::string(command.name);
  if (!command.positions.empty()) text += " " + std::string(command.positions);
  std::istringstream flags(std::string(command.flags) + " " + std::string(command.payload ? kPayloadFlags : ""));
  for (std::string flag; flags >> flag;) text += " [" + flag + (flag.ends_with('=') ? "…]" : "]");
  return text;
}

std::size_t count_words(std::string_view text) {
  std::istringstream in{std::string(text)};
  return static_cast<std::size_t>(std::distance(std::istream_iterator<std::string>(in), {}));
}

const Command* find_command(const std::vector<std::string>& words, std::size_t& used) {
  for (const Command& command : kCommands) {
    used = count_words(command.name);
    std::string name;
    for (std::size_t i = 0; i < used && i < words.size(); ++i) name += (i > 0 ? " " : "") + words[i];
    if (name == command.name) return &command;
  }
  return nullptr;
}

}  // namespace

std::string help_text() {
  std::string text =
      "ffctl: the command line of ff-server.\n\n"
      "  ffctl [--server URL] [--namespace NS] [--token-file FILE] COMMAND …\n\n"
      "The server is http://127.0.0.1:9090, or FFCTL_SERVER; the bearer token comes from the file, or FFCTL_TOKEN.\n"
      "Answers are the server's JSON.\n\n";
  for (const Command& command : kCommands) text += fmt::format("  {}\n      {}\n", usage_of(command), command.help);
  return text +
         "\nExit codes: 0 done; 1 refused (or a token is not good); 2 wrong use; 3 no answer, or the server failed: it "
         "may\nhave happened; 4 ended other than completed; 5 not ended in time.\n";
}

int run_command(const Settings& settings, const std::vector<std::string>& words) {
  std::size_t used = 0;
  const Command* command = find_command(words, used);
  if (command == nullptr) return complain(wrong_use("there is no such command; ffctl --help lists them"));
  const std::string flags = std::string(command->flags) + " " + std::string(command->payload ? kPayloadFlags : "");
  auto arguments = Arguments::parse({words.begin() + static_cast<std::ptrdiff_t>(used), words.end()}, flags);
  if (arguments && arguments->positions().size() != count_words(command->positions))
    arguments = wrong_use("it takes: " + usage_of(*command));
  if (!arguments) return complain(arguments.error());
  return command->run(Session{settings, *arguments});
}

}  // namespace ff::ctl
