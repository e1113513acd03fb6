#include "session.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace ff::script {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kOutKeptBytes = 1024 * 1024;  // A larger buffer is given back after its write.

}  // namespace

Session::Session(std::shared_ptr<Transport> transport, std::shared_ptr<Stream> stream,
                 std::shared_ptr<SessionEvents> events)
    : transport_(std::move(transport)),
      stream_(std::move(stream)),
      events_(std::move(events)),
      in_(kReadBytes),
      timer_(transport_->executor),
      last_read_(steady_clock::now()) {}

void Session::start() {
  read();
  tick_later();
}

void Session::kick() {
  if (broken_ || writing_ || kicked_ || in_batch_) return;
  kicked_ = true;
  asio::post(transport_->executor, [self = shared_from_this()] {
    self->kicked_ = false;
    self->flush();
  });
}

void Session::read() {
  stream_->read_some(asio::buffer(in_), [self = shared_from_this()](Stream::Error error, std::size_t size) {
    self->on_read(error, size);
  });
}

void Session::on_read(Stream::Error error, std::size_t size) {
  if (broken_) return;
  if (error) return fail(error.message());
  last_read_ = steady_clock::now();
  probing_ = false;
  const auto events = events_;  // What runs in on_batch may close this session.
  in_batch_ = true;
  const bool good = reader_.consume(std::string_view(in_.data(), size),
                                    [&](Reply&& reply) { return events->on_reply(std::move(reply)); });
  try {
    events->on_batch();
  } catch (...) {  // Other people's code: its failure is not ours.
    in_batch_ = false;
    if (!broken_) read();
    kick();
    throw;
  }
  in_batch_ = false;
  if (broken_) return;
  if (!good) return fail(reader_.error().empty() ? "a reply that nobody asked for" : reader_.error());
  flush();
  read();
}

void Session::flush() {
  if (broken_ || writing_) return;
  if (out_.capacity() > kOutKeptBytes) std::string().swap(out_);
  out_.clear();
  events_->fill(out_);
  if (out_.empty()) return;
  writing_ = true;
  stream_->write(asio::buffer(out_), [self = shared_from_this()](Stream::Error error, std::size_t size) {
    self->on_write(error, size);
  });
}

void Session::on_write(Stream::Error error, std::size_t size) {
  writing_ = false;
  if (!events_) return;
  // After a failure TLS does not tell how much has left.
  events_->on_wrote(error && stream_->tls() ? out_.size() : size);
  if (broken_) return end();
  if (error) return fail(error.message());
  flush();
}

void Session::probe() {
  if (broken_ || probing_ || transport_->options.ping_interval.count() == 0) return;
  probing_ = true;
  probed_at_ = steady_clock::now();
  events_->on_probe();
  kick();
}

void Session::fail(std::string why) {
  if (broken_) return;
  broken_ = true;
  why_ = std::move(why);
  stream_->close();
  timer_.cancel();
  // A write under way ends by itself now and says how much has left.
  if (!writing_) asio::post(transport_->executor, [self = shared_from_this()] { self->end(); });
}

void Session::end() {
  const auto events = std::exchange(events_, nullptr);
  if (events) events->on_closed(why_);
}

void Session::close() {
  broken_ = true;
  events_.reset();
  stream_->close();
  timer_.cancel();
}

void Session::tick_later() {
  const auto interval = transport_->options.ping_interval;
  if (interval.count() == 0) return;
  timer_.expires_after(std::max(interval / 4, core::Millis(1)));
  timer_.async_wait([self = shared_from_this()](Stream::Error error) {
    if (!error && !self->broken_) self->tick();
  });
}

void Session::tick() {
  const auto interval = transport_->options.ping_interval;
  const auto now = steady_clock::now();
  if (probing_) {
    if (now - probed_at_ >= interval) return fail("no answer to PING");
  } else if (const int borne = events_->silence_borne(); borne > 0 && now - last_read_ >= borne * interval) {
    probe();
  }
  tick_later();
}

}  // namespace ff::script
