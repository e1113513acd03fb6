#include "config.hpp"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "ff/core/keys.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"
#include "ff/core/text.hpp"

namespace ff::server {
namespace {

using boost::asio::ip::tcp;
using core::Millis;

enum class Kind : std::uint8_t { value, flag, secret };

struct Option {
  std::string_view env, flag;
  Kind kind;
  std::string_view unit;
  std::string_view help;
  // Sets it, or answers what is allowed.
  std::string (*set)(Config&, const std::string&);
  std::string (*show)(const Config&);
};

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <auto Member, std::uint64_t Min, std::uint64_t Max>
std::string set_number(Config& config, const std::string& text) {
  const auto value = number<std::uint64_t>(text);
  if (!value || *value < Min || *value > Max) return fmt::format("a number from {} to {}", Min, Max);
  config.*Member = static_cast<std::remove_reference_t<decltype(config.*Member)>>(*value);
  return {};
}

template <auto Member>
std::string show_number(const Config& config) {
  return std::to_string(config.*Member);
}

template <auto Member, std::int64_t Min, std::int64_t Max>
std::string set_millis(Config& config, const std::string& text) {
  const auto value = number<std::int64_t>(text);
  if (!value || *value < Min || *value > Max) return fmt::format("a number from {} to {}, in ms", Min, Max);
  config.*Member = Millis(*value);
  return {};
}

template <auto Member>
std::string show_millis(const Config& config) {
  return std::to_string((config.*Member).count());
}

template <auto Member>
std::string set_bool(Config& config, const std::string& text) {
  if (text != "true" && text != "false" && text != "1" && text != "0") return "true, false, 1 or 0";
  config.*Member = text == "true" || text == "1";
  return {};
}

template <auto Member>
std::string show_bool(const Config& config) {
  return config.*Member ? "true" : "false";
}

template <auto Member>
std::string set_text(Config& config, const std::string& text) {
  if (text.size() > 512 || !core::is_plain_text(text)) return "1 to 512 bytes of text without control characters";
  config.*Member = text;
  return {};
}

template <auto Member>
std::string set_path(Config& config, const std::string& text) {
  if (!text.starts_with('/') || text.size() > 4096 || text.find('\0') != std::string::npos) return "an absolute path";
  config.*Member = text;
  return {};
}

std::string set_socket(Config& config, const std::string& text) {
  constexpr std::size_t kMax = sizeof(sockaddr_un::sun_path) - 1;
  if (!set_path<&Config::socket>(config, text).empty() || text.size() > kMax)
    return fmt::format("an absolute path of at most {} bytes", kMax);
  return {};
}

template <auto Member>
std::string set_file(Config& config, const std::string& text) {
  if (!text.starts_with('/') || ::access(text.c_str(), R_OK) != 0)
    return "the absolute path of a file that can be read";
  config.*Member = text;
  return {};
}

template <auto Member>
std::string show_text(const Config& config) {
  return config.*Member;
}

template <auto Member>
std::string show_secret(const Config& config) {
  return (config.*Member).empty() ? "" : std::string(core::kSecretShown);
}

bool printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string set_password(Config& config, const std::string& text) {
  if (text.empty() || text.size() > 512) return "1 to 512 bytes";
  config.password = core::Secret(text);
  return {};
}

std::string set_token(Config& config, const std::string& text) {
  if (text.size() < 16 || text.size() > 256 || !printable(text))
    return "16 to 256 printable ASCII characters without spaces";
  config.api_token = core::Secret(text);
  return {};
}

std::string set_hmac_secret(Config& config, const std::string& text) {
  if (text.size() < 32 || text.size() > 512) return "32 to 512 bytes; head -c 32 /dev/urandom | base64 makes some";
  config.hmac_secret = core::Secret(text);
  return {};
}

std::string file_content(const std::string& path, std::string& content) {
  std::ifstream in(path);
  std::ostringstream text;
  if (!path.starts_with('/') || !(text << in.rdbuf()))
    return "the absolute path of a file that can be read and is not empty";
  content = text.str();
  while (content.ends_with('\n') || content.ends_with('\r')) content.pop_back();
  return {};
}

template <std::string (*Set)(Config&, const std::string&)>
std::string set_from_file(Config& config, const std::string& path) {
  std::string content;
  const std::string allowed = file_content(path, content);
  if (!allowed.empty()) return allowed;
  const std::string wrong = Set(config, content);
  return wrong.empty() ? "" : "a file that holds " + wrong;
}

std::string set_callers(Config& config, const std::string& path) {
  std::string content;
  const std::string allowed = file_content(path, content);
  if (!allowed.empty()) return allowed;
  auto callers = Callers::parse(content);
  if (!callers) return "a file of callers (see ff-server/README.md), but " + callers.error().message;
  config.callers = std::move(*callers);
  return {};
}

std::string show_nothing(const Config&) { return {}; }

template <auto Member>
std::string set_endpoint(Config& config, const std::string& text) {
  static constexpr std::string_view kAllowed =
      "an IP address or localhost and a port, as in 127.0.0.1:9090 or [::1]:9090";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::string(kAllowed);
  std::string host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  const auto port = number<std::uint16_t>(text.substr(colon + 1));
  if (error || !port || address.is_v6() != bracketed) return std::string(kAllowed);
  config.*Member = tcp::endpoint(address, *port);
  return {};
}

template <auto Member>
std::string show_endpoint(const Config& config) {
  return to_string(config.*Member);
}

std::string set_prefix(Config& config, const std::string& text) {
  if (!core::Keyspace::make(text, 1)) return "1 to 16 characters of a-z, 0-9 and '-'";
  config.prefix = text;
  return {};
}

std::string set_server_name(Config& config, const std::string& text) {
  if (!core::validate_worker(text))
    return "1 to 64 letters, digits, '.', '_', ':', '@' or '-', the first a letter or digit";
  config.server_name = text;
  return {};
}

std::string set_log_level(Config& config, const std::string& text) {
  const auto level = core::parse_log_level(text);
  if (!level) return "debug, info, warn or error";
  config.log_level = *level;
  return {};
}

std::string show_log_level(const Config& config) { return std::string(core::to_string(config.log_level)); }

using C = Config;
constexpr std::uint64_t kPartitionsMax = core::limits::kPartitionsMax;

constexpr std::array kOptions = {
    Option{"FF_HOST", "--host", Kind::value, "", "Valkey's host.", set_text<&C::host>, show_text<&C::host>},
    Option{"FF_PORT", "--port", Kind::value, "", "Valkey's port.", set_number<&C::port, 1, 65535>,
           show_number<&C::port>},
    Option{"FF_SOCKET", "--socket", Kind::value, "path", "Valkey's unix socket, instead of host and port.",
           set_socket, show_text<&C::socket>},
    Option{"FF_TLS", "--tls", Kind::flag, "", "Speak TLS to Valkey.", set_bool<&C::tls>, show_bool<&C::tls>},
    Option{"FF_TLS_CA", "--tls-ca", Kind::value, "file", "CA certificates for it; default: the system's.",
           set_file<&C::tls_ca>, show_text<&C::tls_ca>},
    Option{"FF_TLS_CERT", "--tls-cert", Kind::value, "file", "Client certificate.", set_file<&C::tls_cert>,
           show_text<&C::tls_cert>},
    Option{"FF_TLS_KEY", "--tls-key", Kind::value, "file", "Its key.", set_file<&C::tls_key>, show_text<&C::tls_key>},
    Option{"FF_CLUSTER", "--cluster", Kind::flag, "", "Valkey is a cluster; host and port name one node.",
           set_bool<&C::cluster>, show_bool<&C::cluster>},
    Option{"FF_USER", "--user", Kind::value, "", "Valkey user.", set_text<&C::user>, show_text<&C::user>},
    Option{"FF_PASSWORD", "", Kind::secret, "", "Valkey password.", set_password, show_secret<&C::password>},
    Option{"FF_PASSWORD_FILE", "--password-file", Kind::value, "file", "File that holds it.",
           set_from_file<set_password>, show_nothing},
    Option{"FF_PREFIX", "--prefix", Kind::value, "",
           "Of every key; deployments with different ones can share a Valkey.", set_prefix, show_text<&C::prefix>},
    Option{"FF_PARTITIONS", "--partitions", Kind::value, "", "Of a new deployment; 0: as stored, or 64.",
           set_number<&C::partitions, 0, kPartitionsMax>, show_number<&C::partitions>},
    Option{"FF_DEV", "--dev", Kind::flag, "", "Start and stop a private Valkey.", set_bool<&C::dev>,
           show_bool<&C::dev>},
    Option{"FF_DEV_DATA", "--data", Kind::value, "folder", "Where the private Valkey keeps its data; default: nowhere.",
           set_path<&C::dev_data>, show_text<&C::dev_data>},
    Option{"FF_LISTEN_ADDR", "--listen", Kind::value, "", "Public API. Port 0: a free one.", set_endpoint<&C::listen>,
           show_endpoint<&C::listen>},
    Option{"FF_OPS_ADDR", "--ops", Kind::value, "", "Metrics and health. Port 0: a free one.", set_endpoint<&C::ops>,
           show_endpoint<&C::ops>},
    Option{"FF_API_TOKEN", "", Kind::secret, "", "Bearer token that every request but /healthz must bring.", set_token,
           show_secret<&C::api_token>},
    Option{"FF_API_TOKEN_FILE", "--api-token-file", Kind::value, "file", "File that holds it.",
           set_from_file<set_token>, show_nothing},
    Option{"FF_API_CALLERS_FILE", "--api-callers-file", Kind::value, "file",
           "Callers with names, roles, namespaces and hashed tokens.", set_callers, show_nothing},
    Option{"FF_WAITPOINT_HMAC_SECRET", "", Kind::secret, "", "Seals the keys of waitpoint tokens; the same everywhere.",
           set_hmac_secret, show_secret<&C::hmac_secret>},
    Option{"FF_WAITPOINT_HMAC_SECRET_FILE", "--waitpoint-hmac-secret-file", Kind::value, "file", "File that holds it.",
           set_from_file<set_hmac_secret>, show_nothing},
    Option{"FF_WAITPOINT_HMAC_GRACE_MS", "--waitpoint-hmac-grace-ms", Kind::value, "ms",
           "How long a rotated key goes on to verify.", set_millis<&C::hmac_grace, 0, 31'536'000'000>,
           show_millis<&C::hmac_grace>},
    Option{"FF_SERVER_NAME", "--name", Kind::value, "", "Of this instance, unique; default: made up.", set_server_name,
           show_text<&C::server_name>},
    Option{"FF_MAX_CONNECTIONS", "--max-connections", Kind::value, "", "To the public API; more get 503.",
           set_number<&C::max_connections, 1, 100000>, show_number<&C::max_connections>},
    Option{"FF_MAX_CONCURRENT_STREAM_OPS", "--max-streams", Kind::value, "",
           "Streams among these connections; more get 429.", set_number<&C::max_streams, 1, 100000>,
           show_number<&C::max_streams>},
    Option{"FF_MAX_BODY_BYTES", "--max-body-bytes", Kind::value, "bytes", "Of a request; routes have smaller limits.",
           set_number<&C::max_body_bytes, 1024, 64 << 20>, show_number<&C::max_body_bytes>},
    Option{"FF_WRONG_TOKENS_PER_MINUTE", "--wrong-tokens-per-minute", Kind::value, "",
           "From one address; then its tokens get 429 without a look. 0: no limit.",
           set_number<&C::wrong_tokens_per_minute, 0, 60000>, show_number<&C::wrong_tokens_per_minute>},
    Option{"FF_REQUEST_TIMEOUT_MS", "--request-timeout-ms", Kind::value, "ms", "For an answer; wait_ms is added.",
           set_millis<&C::request_timeout, 100, 300000>, show_millis<&C::request_timeout>},
    Option{"FF_BOOT_TIMEOUT_MS", "--boot-timeout-ms", Kind::value, "ms",
           "How long Valkey may be unreachable at the start; 0: one try.", set_millis<&C::boot_timeout, 0, 3600000>,
           show_millis<&C::boot_timeout>},
    Option{"FF_DRAIN_TIMEOUT_MS", "--drain-timeout-ms", Kind::value, "ms", "How long requests may go on after SIGTERM.",
           set_millis<&C::drain_timeout, 0, 3600000>, show_millis<&C::drain_timeout>},
    Option{"FF_LOG_LEVEL", "--log-level", Kind::value, "", "debug, info, warn or error.", set_log_level,
           show_log_level},
    Option{"FF_STRICT", "--strict", Kind::flag, "", "Refuse a Valkey whose settings break a promise.",
           set_bool<&C::strict>, show_bool<&C::strict>},
};

// Accepted instead of another name.
constexpr std::string_view kPartitionsAlias = "FF_FLOW_PARTITIONS";

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view name, std::string_view Option::*member) {
  const Option* best = nullptr;
  std::size_t best_distance = SIZE_MAX;
  for (const Option& option : kOptions) {
    if ((option.*member).empty()) continue;
    const std::size_t d = distance(name.substr(0, 64), option.*member);
    if (d < best_distance) {
      best = &option;
      best_distance = d;
    }
  }
  return std::string(best->*member);
}

const Option* find(std::string_view name, std::string_view Option::*member) {
  for (const Option& option : kOptions) {
    if (option.*member == name && !name.empty()) return &option;
  }
  return nullptr;
}

// What was given, under which name, flags over variables.
class Given {
 public:
  explicit Given(ConfigOutcome& outcome) : outcome_(outcome) {}

  void variable(const std::string& name, const std::string& value) {
    const Option* option = find(name == kPartitionsAlias ? "FF_PARTITIONS" : std::string_view(name), &Option::env);
    if (option == nullptr) {
      complain(fmt::format("{} is not a variable of this server; the nearest is {}", core::escaped(name, 64),
                           nearest(name, &Option::env)));
      return;
    }
    for (const Entry& other : entries_) {
      if (other.is_flag || other.option != option || other.value == value) continue;
      complain(fmt::format("{} and {} have different values; keep one", other.name, name));
      return;
    }
    entries_.push_back(Entry{option, name, value, false});
  }

  void arguments(std::span<const std::string> words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (word == "--help" || word == "-h") outcome_.help = true;
      else if (word == "--version") outcome_.version = true;
      else if (const Option* option = find(name, &Option::flag); option == nullptr) unknown(name);
      else if (equals != std::string::npos) flag(option, word.substr(equals + 1));
      else if (option->kind == Kind::flag) flag(option, "true");
      else if (i + 1 < words.size()) flag(option, words[++i]);
      else complain(name + " needs a value");
    }
  }

  void apply() {
    for (const Entry& given : entries_) {
      const bool overridden = !given.is_flag && std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
        return other.is_flag && other.option == given.option;
      });
      if (overridden) continue;
      if (given.value.empty()) {
        complain(given.name + " is empty; give it a value, or leave it out for the default");
        continue;
      }
      const std::string allowed = given.option->set(outcome_.config, given.value);
      if (allowed.empty()) continue;
      const std::string value =
          given.option->kind == Kind::secret ? std::string(core::kSecretShown) : core::shown(given.value);
      complain(fmt::format("{} is {}; allowed is {}", given.name, value, allowed));
    }
  }

  // The name under which an option was given, empty: it was not.
  std::string name_of(std::string_view env) const {
    const Entry* found = entry(find(env, &Option::env));
    return found == nullptr ? "" : found->name;
  }
  void complain(std::string problem) { outcome_.problems.push_back(std::move(problem)); }

 private:
  struct Entry {
    const Option* option;
    std::string name, value;
    bool is_flag;
  };

  const Entry* entry(const Option* option) const {
    for (const Entry& given : entries_) {
      if (given.option == option) return &given;
    }
    return nullptr;
  }
  void flag(const Option* option, const std::string& value) {
    const bool twice = std::any_of(entries_.begin(), entries_.end(),
                                   [&](const Entry& other) { return other.is_flag && other.option == option; });
    if (twice) complain(fmt::format("{} is given twice", option->flag));
    else entries_.push_back(Entry{option, std::string(option->flag), value, true});
  }
  void unknown(const std::string& name) {
    if (name == "--password" || name == "--api-token" || name == "--waitpoint-hmac-secret") {
      complain(name + " is no flag, because every user of the machine can see it; use the variable or the file");
    } else if (!name.starts_with("-")) {
      complain(core::shown(name) + " is no flag; flags begin with --");
    } else {
      complain(fmt::format("{} is not a flag of this server; the nearest is {}", core::escaped(name, 64),
                           nearest(name, &Option::flag)));
    }
  }

  ConfigOutcome& outcome_;
  std::vector<Entry> entries_;
};

void check_pairs(Given& given, const Config& config) {
  for (const auto& [one, other] :
       {std::pair("FF_PASSWORD", "FF_PASSWORD_FILE"), std::pair("FF_API_TOKEN", "FF_API_TOKEN_FILE"),
        std::pair("FF_WAITPOINT_HMAC_SECRET", "FF_WAITPOINT_HMAC_SECRET_FILE")}) {
    if (!given.name_of(one).empty() && !given.name_of(other).empty()) {
      given.complain(fmt::format("{} and {} are both given; keep one", given.name_of(one), given.name_of(other)));
    }
  }
  for (const std::string_view env : {"FF_HOST", "FF_PORT", "FF_TLS"}) {
    if (!config.socket.empty() && !given.name_of(env).empty()) {
      given.complain(fmt::format("{} and {} are both given; a unix socket needs neither host nor TLS",
                                 given.name_of("FF_SOCKET"), given.name_of(env)));
    }
  }
  for (const std::string_view env :
       {"FF_HOST", "FF_PORT", "FF_SOCKET", "FF_TLS", "FF_CLUSTER", "FF_USER", "FF_PASSWORD", "FF_PASSWORD_FILE"}) {
    if (config.dev && !given.name_of(env).empty()) {
      given.complain(fmt::format("{} and {} are both given; the private Valkey has its own address",
                                 given.name_of("FF_DEV"), given.name_of(env)));
    }
  }
}

void check_together(Given& given, const Config& config) {
  check_pairs(given, config);
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    given.complain("FF_TLS_CERT and FF_TLS_KEY belong together; give both or neither");
  }
  for (const std::string_view env : {"FF_TLS_CA", "FF_TLS_CERT", "FF_TLS_KEY"}) {
    if (!config.tls && !given.name_of(env).empty())
      given.complain(given.name_of(env) + " is given, but FF_TLS is not true");
  }
  if (!config.dev_data.empty() && !config.dev)
    given.complain(given.name_of("FF_DEV_DATA") + " is given, but --dev is not");
  if (config.hmac_secret.empty() && !config.dev) {
    given.complain(
        "FF_WAITPOINT_HMAC_SECRET is missing: it seals the keys of waitpoint tokens, and is the same on every server; "
        "only --dev goes without");
  }
  if (config.api_token.empty() && config.callers.empty() && !config.listen.address().is_loopback()) {
    given.complain(
        fmt::format("{} is {}: without FF_API_TOKEN or FF_API_CALLERS_FILE only a loopback address is allowed, because "
                    "nothing would stop a stranger; set one, or listen on 127.0.0.1",
                    given.name_of("FF_LISTEN_ADDR"), to_string(config.listen)));
  }
  if (config.listen == config.ops && config.listen.port() != 0) {
    given.complain(
        fmt::format("FF_LISTEN_ADDR and FF_OPS_ADDR are both {}; they need different ports", to_string(config.ops)));
  }
}

}  // namespace

Environment environment() {
  Environment result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (!text.starts_with("FF_") || equals == std::string_view::npos) continue;
    result.emplace_back(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
  }
  return result;
}

ConfigOutcome parse_config(std::span<const std::string> arguments, const Environment& environment) {
  ConfigOutcome outcome;
  Given given(outcome);
  given.arguments(arguments);
  for (const auto& [name, value] : environment) given.variable(name, value);
  given.apply();
  check_together(given, outcome.config);
  return outcome;
}

std::string help_text() {
  std::string text =
      "ff-server: the HTTP API and the timers of FlowFabric.\n\n"
      "Every option is an environment variable, and a flag that overrides it (--port 6380 or --port=6380).\n\n";
  const Config defaults;
  for (const Option& option : kOptions) {
    const std::string shown = option.show(defaults);
    text += fmt::format("  {:<22} {:<22} {}", option.flag.empty() ? "(variable only)" : option.flag, option.env,
                        option.help);
    if (!option.unit.empty()) text += fmt::format(" [{}]", option.unit);
    text += shown.empty() ? "\n" : fmt::format(" Default: {}.\n", shown);
  }
  text += "  --help                                        This text.\n";
  text += "  --version                                     The version.\n";
  return text;
}

std::string describe(const Config& config) {
  std::string text;
  for (const Option& option : kOptions) {
    if (option.show != show_nothing) text += fmt::format("{}={}\n", option.env, option.show(config));
  }
  return text;
}

std::string to_string(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), address, endpoint.port());
}

}  // namespace ff::server
