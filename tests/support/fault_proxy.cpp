#include "support/fault_proxy.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "support/resp_frames.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

namespace asio = boost::asio;
using Stream = asio::generic::stream_protocol;
using Clock = std::chrono::steady_clock;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kQueuedBytesMax = 8 * 1024 * 1024;  // Then the sender waits, as with a full network.

enum class Fault { none, swallow, halve };

// A one-shot fault armed for the k-th event from now; 0: not armed.
struct Shot {
  std::uint64_t left = 0;
  bool fires() { return left != 0 && --left == 0; }
};

struct Faults {
  std::string only;
  Shot after_reply, inside_reply, before_request, inside_request;
  double random_reply = 0, random_request = 0;
  Rng rng{0};
  bool reset = false, refuse = false;
  std::array<std::chrono::milliseconds, 2> delay{};  // By way: 0 to the server, 1 to the client.
  std::array<bool, 2> hold{};
  std::size_t slice_bytes = 0;
  std::chrono::milliseconds slice_pause{0};
};

bool concerns(Direction direction, std::size_t way) {
  return direction == Direction::both || direction == (way == 0 ? Direction::to_server : Direction::to_client);
}

using Counter = std::uint64_t ProxyCounters::*;

Counter lost(std::size_t way) { return way == 0 ? &ProxyCounters::requests_lost : &ProxyCounters::replies_lost; }

Counter passed(std::size_t way) { return way == 0 ? &ProxyCounters::requests : &ProxyCounters::replies; }

}  // namespace

// Everything below runs on the proxy's own thread, except what locks the mutex and what posts.
class FaultProxy::Impl {
 public:
  explicit Impl(Stream::endpoint upstream);
  ~Impl();

  // Runs `change` on the proxy's thread and returns when it has.
  void apply(std::function<void()> change);
  void count(Counter counter, std::uint64_t by = 1);

  class Session;
  asio::io_context context{1};
  asio::ip::tcp::acceptor acceptor{context};
  Stream::endpoint upstream;
  std::uint16_t port = 0;
  Faults faults;
  std::set<std::shared_ptr<Session>> sessions;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  ProxyCounters counters;
  std::size_t open = 0;

  void forget(const std::shared_ptr<Session>& session);

 private:
  void accept();
  void take(Stream::socket client);
  asio::executor_work_guard<asio::io_context::executor_type> guard_{context.get_executor()};
  std::thread thread_;
};

// One client's connection and its own connection to the server; way 0 carries requests, way 1 replies.
class FaultProxy::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Impl& owner, Stream::socket client)
      : owner_(owner),
        ways_{{Way(owner.context), Way(owner.context)}},
        client_(std::move(client)),
        server_(owner.context) {}

  void start();
  void cut();
  void close();
  void resume();  // A hold or a slice has ended.
  void half_close(std::size_t way);

 private:
  struct Piece {
    std::string bytes;
    Clock::time_point due;
    bool whole;  // One complete request or reply: counted when written.
  };
  struct Way {
    explicit Way(asio::io_context& context) : timer(context) {}
    RespFrames frames;
    std::deque<Piece> queue;
    std::size_t queued_bytes = 0;
    std::array<char, kReadBytes> buffer;
    asio::steady_timer timer;
    bool reading = false;
    bool writing = false;  // Waiting for the timer or for the socket.
    bool sending = false;  // For the socket.
    bool ended = false;   // No more comes in: pass FIN on when the queue is empty.
    bool shut = false;    // FIN has been passed on.
  };

  Stream::socket& source(std::size_t way) { return way == 0 ? client_ : server_; }
  Stream::socket& sink(std::size_t way) { return way == 0 ? server_ : client_; }
  void read(std::size_t way);
  void arrived(std::size_t way, std::string_view bytes);
  void request(std::string bytes);
  void reply(std::string bytes);
  void queue(std::size_t way, std::string bytes, bool whole);
  void write(std::size_t way);
  void wrote(std::size_t way, std::size_t bytes, bool sliced);
  void drained(std::size_t way);
  Fault draw(Shot& swallow, Shot& halve, double probability);
  void inflict(std::size_t way, Fault fault, std::string bytes);

  Impl& owner_;
  std::array<Way, 2> ways_;
  Stream::socket client_, server_;
  std::deque<bool> counted_;  // Of every request under way: do faults look at its reply?
  bool cutting_ = false;      // Nothing more is taken in; what is queued goes out, then both sockets close.
  std::size_t cut_way_ = 0;
  bool closed_ = false;
};

void FaultProxy::Impl::Session::start() {
  auto self = shared_from_this();
  server_.async_connect(owner_.upstream, [this, self](error_code error) {
    if (closed_) return;
    if (error) {
      owner_.count(&ProxyCounters::refused);
      return close();
    }
    if (owner_.upstream.protocol().family() != AF_UNIX) {
      error_code ignored;
      server_.set_option(asio::ip::tcp::no_delay(true), ignored);
    }
    owner_.count(&ProxyCounters::connections);
    read(0);
    read(1);
  });
}

void FaultProxy::Impl::Session::read(std::size_t way) {
  auto& w = ways_[way];
  if (closed_ || cutting_ || w.reading || w.ended || w.queued_bytes > kQueuedBytesMax) return;
  w.reading = true;
  auto self = shared_from_this();
  source(way).async_read_some(asio::buffer(w.buffer), [this, way, self](error_code error, std::size_t n) {
    auto& mine = ways_[way];
    mine.reading = false;
    if (closed_ || cutting_) return;
    if (error == asio::error::eof) {
      mine.ended = true;
      auto rest = mine.frames.take_rest();
      if (!rest.empty()) queue(way, std::move(rest), false);
      return write(way);
    }
    if (error) return close();
    arrived(way, std::string_view(mine.buffer.data(), n));
    read(way);
  });
}

void FaultProxy::Impl::Session::arrived(std::size_t way, std::string_view bytes) {
  auto& w = ways_[way];
  auto values = w.frames.feed(bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    bool opaque = w.frames.opaque() && i + 1 == values.size();
    if (cutting_) {  // What came in the same packet behind the value that was cut.
      if (!opaque) owner_.count(lost(way));
    } else if (opaque) {
      owner_.count(&ProxyCounters::opaque_bytes, values[i].size());
      queue(way, std::move(values[i]), false);
    } else if (way == 0) {
      request(std::move(values[i]));
    } else {
      reply(std::move(values[i]));
    }
  }
  if (cutting_) return write(cut_way_);
  write(way);
}

Fault FaultProxy::Impl::Session::draw(Shot& swallow, Shot& halve, double probability) {
  bool swallows = swallow.fires();
  bool halves = halve.fires();
  if (swallows) return Fault::swallow;
  if (halves) return Fault::halve;
  if (probability > 0 && owner_.faults.rng.chance(probability)) return Fault::swallow;
  return Fault::none;
}

void FaultProxy::Impl::Session::request(std::string bytes) {
  auto& faults = owner_.faults;
  bool counts = faults.only.empty() || bytes.find(faults.only) != std::string::npos;
  if (counts) owner_.count(&ProxyCounters::matched);
  auto fault = counts ? draw(faults.before_request, faults.inside_request, faults.random_request) : Fault::none;
  if (fault != Fault::none) {
    owner_.count(fault == Fault::swallow ? &ProxyCounters::cuts_before_request : &ProxyCounters::cuts_inside_request);
    return inflict(0, fault, std::move(bytes));
  }
  counted_.push_back(counts);
  queue(0, std::move(bytes), true);
}

void FaultProxy::Impl::Session::reply(std::string bytes) {
  auto& faults = owner_.faults;
  bool counts = faults.only.empty();  // A message nobody asked for (pub/sub) belongs to no request.
  if (!counted_.empty()) {
    counts = counted_.front();
    counted_.pop_front();
  }
  auto fault = counts ? draw(faults.after_reply, faults.inside_reply, faults.random_reply) : Fault::none;
  if (fault != Fault::none) {
    owner_.count(fault == Fault::swallow ? &ProxyCounters::cuts_after_reply : &ProxyCounters::cuts_inside_reply);
    return inflict(1, fault, std::move(bytes));
  }
  queue(1, std::move(bytes), true);
}

void FaultProxy::Impl::Session::inflict(std::size_t way, Fault fault, std::string bytes) {
  owner_.count(lost(way));
  owner_.count(&ProxyCounters::cuts);
  cutting_ = true;
  cut_way_ = way;
  if (fault == Fault::halve) queue(way, bytes.substr(0, bytes.size() / 2), false);
}

void FaultProxy::Impl::Session::queue(std::size_t way, std::string bytes, bool whole) {
  auto& w = ways_[way];
  auto delay = owner_.faults.delay[way];
  auto due = Clock::now() + delay;
  if (!w.queue.empty()) due = std::max(due, w.queue.back().due);
  if (delay.count() != 0) owner_.count(&ProxyCounters::delayed);
  if (owner_.faults.hold[way]) owner_.count(&ProxyCounters::held);
  w.queued_bytes += bytes.size();
  w.queue.push_back(Piece{std::move(bytes), due, whole});
}

void FaultProxy::Impl::Session::write(std::size_t way) {
  auto& w = ways_[way];
  if (closed_ || w.writing || (cutting_ && way != cut_way_)) return;
  if (owner_.faults.hold[way]) {
    if (cutting_) close();  // Behind a hold nothing will ever flow out.
    return;
  }
  if (w.queue.empty()) return drained(way);
  auto self = shared_from_this();
  auto& front = w.queue.front();
  if (front.due > Clock::now()) {
    w.writing = true;
    w.timer.expires_at(front.due);
    w.timer.async_wait([this, way, self](error_code) {
      ways_[way].writing = false;
      write(way);
    });
    return;
  }
  auto bytes = front.bytes.size();
  bool sliced = owner_.faults.slice_bytes != 0;
  if (sliced) bytes = std::min(bytes, owner_.faults.slice_bytes);
  w.writing = w.sending = true;
  asio::async_write(sink(way), asio::buffer(front.bytes.data(), bytes),
                    [this, way, self, sliced](error_code error, std::size_t n) {
                      auto& mine = ways_[way];
                      mine.writing = mine.sending = false;
                      if (closed_) {
                        auto& piece = mine.queue.front();
                        if (piece.whole) owner_.count(n == piece.bytes.size() ? passed(way) : lost(way));
                        return;
                      }
                      if (error) return close();
                      wrote(way, n, sliced);
                    });
}

void FaultProxy::Impl::Session::wrote(std::size_t way, std::size_t bytes, bool sliced) {
  auto& w = ways_[way];
  auto& front = w.queue.front();
  w.queued_bytes -= bytes;
  front.bytes.erase(0, bytes);
  if (front.bytes.empty()) {
    if (front.whole) owner_.count(passed(way));
    w.queue.pop_front();
  }
  if (sliced) {
    owner_.count(&ProxyCounters::slices);
    auto pause = owner_.faults.slice_pause;
    if (pause.count() != 0 && !w.queue.empty()) {
      w.queue.front().due = std::max(w.queue.front().due, Clock::now() + pause);
    }
  }
  read(way);
  write(way);
}

// Nothing is left to write in this direction.
void FaultProxy::Impl::Session::drained(std::size_t way) {
  auto& w = ways_[way];
  if (cutting_) return close();
  if (!w.ended || w.shut) return;
  w.shut = true;
  error_code ignored;
  sink(way).shutdown(Stream::socket::shutdown_send, ignored);
  if (ways_[1 - way].shut) close();
}

void FaultProxy::Impl::Session::half_close(std::size_t way) {
  auto& w = ways_[way];
  if (closed_ || cutting_ || w.ended) return;
  owner_.count(&ProxyCounters::half_closes);
  w.ended = true;
  error_code ignored;
  source(way).shutdown(Stream::socket::shutdown_receive, ignored);
  write(way);
}

void FaultProxy::Impl::Session::cut() {
  if (closed_) return;
  owner_.count(&ProxyCounters::cuts);
  close();
}

void FaultProxy::Impl::Session::resume() {
  for (std::size_t way : {0u, 1u}) {
    ways_[way].timer.cancel();
    write(way);
  }
}

void FaultProxy::Impl::Session::close() {
  if (closed_) return;
  closed_ = true;
  // Whole values that will never be passed on were lost too, by whatever ended the connection. The one that is being
  // written is judged when its write has ended.
  for (std::size_t way : {0u, 1u}) {
    auto& w = ways_[way];
    w.timer.cancel();
    auto first = w.queue.begin() + (w.sending ? 1 : 0);
    auto whole = std::count_if(first, w.queue.end(), [](const Piece& p) { return p.whole; });
    owner_.count(lost(way), static_cast<std::uint64_t>(whole));
  }
  error_code ignored;
  if (owner_.faults.reset) {
    client_.set_option(asio::socket_base::linger(true, 0), ignored);
    server_.set_option(asio::socket_base::linger(true, 0), ignored);
  }
  client_.close(ignored);
  server_.close(ignored);
  owner_.forget(shared_from_this());
}

FaultProxy::Impl::Impl(Stream::endpoint to) : upstream(std::move(to)) {
  asio::ip::tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
  acceptor.open(any.protocol());
  acceptor.bind(any);
  acceptor.listen();
  port = acceptor.local_endpoint().port();
  accept();
  thread_ = std::thread([this] { context.run(); });
}

FaultProxy::Impl::~Impl() {
  apply([this] {
    acceptor.close();
    auto all = sessions;
    for (const auto& session : all) session->close();
    guard_.reset();
  });
  thread_.join();
}

void FaultProxy::Impl::apply(std::function<void()> change) {
  std::promise<void> done;
  asio::post(context, [&] {
    change();
    done.set_value();
  });
  done.get_future().wait();
}

void FaultProxy::Impl::count(Counter counter, std::uint64_t by) {
  {
    std::lock_guard lock(mutex);
    counters.*counter += by;
  }
  changed.notify_all();
}

void FaultProxy::Impl::accept() {
  acceptor.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      take(Stream::socket(std::move(socket)));
    }
    accept();
  });
}

void FaultProxy::Impl::take(Stream::socket client) {
  if (faults.refuse) return count(&ProxyCounters::refused);
  auto session = std::make_shared<Session>(*this, std::move(client));
  sessions.insert(session);
  {
    std::lock_guard lock(mutex);
    open = sessions.size();
  }
  session->start();
}

void FaultProxy::Impl::forget(const std::shared_ptr<Session>& session) {
  sessions.erase(session);
  std::lock_guard lock(mutex);
  open = sessions.size();
  changed.notify_all();
}

FaultProxy::FaultProxy(std::string unix_socket)
    : impl_(std::make_unique<Impl>(Stream::endpoint(asio::local::stream_protocol::endpoint(unix_socket)))) {}

FaultProxy::FaultProxy(std::string host, std::uint16_t port)
    : impl_(std::make_unique<Impl>(Stream::endpoint(asio::ip::tcp::endpoint(asio::ip::make_address(host), port)))) {}

FaultProxy::~FaultProxy() = default;

std::uint16_t FaultProxy::port() const noexcept { return impl_->port; }

void FaultProxy::only(std::string text) {
  impl_->apply([&] { impl_->faults.only = std::move(text); });
}

void FaultProxy::cut_after_reply(std::uint64_t k) {
  impl_->apply([&] { impl_->faults.after_reply.left = k; });
}

void FaultProxy::cut_inside_reply(std::uint64_t k) {
  impl_->apply([&] { impl_->faults.inside_reply.left = k; });
}

void FaultProxy::cut_before_request(std::uint64_t n) {
  impl_->apply([&] { impl_->faults.before_request.left = n; });
}

void FaultProxy::cut_inside_request(std::uint64_t n) {
  impl_->apply([&] { impl_->faults.inside_request.left = n; });
}

void FaultProxy::cut_randomly(double reply, double request, std::uint64_t seed) {
  impl_->apply([&] {
    impl_->faults.random_reply = reply;
    impl_->faults.random_request = request;
    impl_->faults.rng = Rng(seed);
  });
}

void FaultProxy::cut_all() {
  impl_->apply([&] {
    auto all = impl_->sessions;
    for (const auto& session : all) session->cut();
  });
}

void FaultProxy::cut_with_reset(bool on) {
  impl_->apply([&] { impl_->faults.reset = on; });
}

void FaultProxy::refuse(bool on) {
  impl_->apply([&] { impl_->faults.refuse = on; });
}

void FaultProxy::half_close(Direction direction) {
  impl_->apply([&] {
    auto all = impl_->sessions;
    for (const auto& session : all) {
      for (std::size_t way : {0u, 1u}) {
        if (concerns(direction, way)) session->half_close(way);
      }
    }
  });
}

void FaultProxy::delay(Direction direction, Duration by) {
  impl_->apply([&] {
    for (std::size_t way : {0u, 1u}) {
      if (concerns(direction, way)) impl_->faults.delay[way] = by;
    }
  });
}

void FaultProxy::hold(Direction direction) {
  impl_->apply([&] {
    for (std::size_t way : {0u, 1u}) {
      if (concerns(direction, way)) impl_->faults.hold[way] = true;
    }
  });
}

void FaultProxy::release() {
  impl_->apply([&] {
    impl_->faults.hold = {};
    auto all = impl_->sessions;
    for (const auto& session : all) session->resume();
  });
}

void FaultProxy::slice(std::size_t bytes, Duration pause) {
  impl_->apply([&] {
    impl_->faults.slice_bytes = bytes;
    impl_->faults.slice_pause = pause;
  });
}

void FaultProxy::pass() {
  impl_->apply([&] {
    impl_->faults = Faults();
    auto all = impl_->sessions;
    for (const auto& session : all) session->resume();
  });
}

ProxyCounters FaultProxy::counters() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}

std::size_t FaultProxy::open_connections() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->open;
}

bool FaultProxy::wait_for(const std::function<bool(const ProxyCounters&)>& reached, Duration limit) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, limit, [&] { return reached(impl_->counters); });
}

}  // namespace ff::test
