#include "http/target.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "ff/core/text.hpp"

namespace ff::server::http {
namespace {

namespace urls = boost::urls;
using core::Code;
using core::Error;
using core::Result;

Error bad_target(std::string_view what) {
  return Error(Code::invalid_argument, "bad_target", "the request target " + std::string(what));
}

Result<std::string> decoded(urls::pct_string_view text, bool plus_is_space) {
  urls::encoding_opts options;
  options.space_as_plus = plus_is_space;
  std::string result;
  result.reserve(text.decoded_size());
  text.decode(options, urls::string_token::assign_to(result));
  if (!core::is_plain_text(result))
    return bad_target("has an encoded control character, or encodes bytes that are no UTF-8");
  return result;
}

Result<Fields> decoded_query(const urls::url_view& url) {
  Fields fields;
  for (const auto& param : url.encoded_params()) {
    if (param.key.empty() && !param.has_value) continue;  // "?", "a&&b"
    FF_TRY(key, decoded(param.key, true));
    FF_TRY(value, decoded(param.value, true));
    for (const auto& field : fields) {
      if (field.first == key) return bad_target("has the query parameter " + core::shown(key) + " twice");
    }
    fields.emplace_back(std::move(key), std::move(value));
  }
  return fields;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  const bool origin = text.starts_with('/');
  auto parsed = origin ? urls::parse_origin_form(text) : urls::parse_absolute_uri(text);
  if (!parsed) return bad_target("is not a path with valid %XX encoding");
  const urls::url_view url = *parsed;
  if (!origin && url.scheme() != "http" && url.scheme() != "https") return bad_target("has a scheme that is not http");
  Target target;
  for (const auto segment : url.encoded_segments()) {
    FF_TRY(name, decoded(segment, false));
    target.path.push_back(std::move(name));
  }
  FF_TRY(query, decoded_query(url));
  target.query = std::move(query);
  return target;
}

}  // namespace ff::server::http
