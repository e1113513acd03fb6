#pragma once
// Session: one open socket to a node. It gathers writes, parses replies and notices when the other side is
// gone; what the bytes mean is its owner's business.

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "resp_reader.hpp"
#include "stream.hpp"
#include "transport.hpp"

namespace ff::script {

class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  // Appends what is to be sent now, if anything; some bound keeps one writing short.
  virtual void fill(std::string& out) = 0;
  // So many of those bytes have left, or may have.
  virtual void on_wrote(std::size_t bytes) = 0;
  // False: nobody expects this; the socket is of no use any more.
  virtual bool on_reply(Reply&& reply) = 0;
  // After all replies that came together: the place to run other people's code.
  virtual void on_batch() = 0;
  // Ping intervals of silence after which a sign of life is asked for; 0: silence is no reason.
  virtual int silence_borne() const = 0;
  // Something must be asked now that the server answers at once.
  virtual void on_probe() = 0;
  // Last call. All bytes that left are accounted for.
  virtual void on_closed(const std::string& why) = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Transport> transport, std::shared_ptr<Stream> stream,
          std::shared_ptr<SessionEvents> events);

  void start();
  // There is something to write. Everything that is queued until the executor comes round leaves in one
  // write.
  void kick();
  // Asks for a sign of life; without any within the ping interval the session fails.
  void probe();
  // Closes the socket; on_closed follows from the executor.
  void fail(std::string why);
  // Closes the socket without any further event.
  void close();

 private:
  void read();
  void on_read(Stream::Error error, std::size_t size);
  void flush();
  void on_write(Stream::Error error, std::size_t size);
  void end();
  void tick_later();
  void tick();

  const std::shared_ptr<Transport> transport_;
  const std::shared_ptr<Stream> stream_;
  std::shared_ptr<SessionEvents> events_;  // Null after the last event.
  RespReader reader_;
  std::vector<char> in_;
  std::string out_;
  boost::asio::steady_timer timer_;
  core::SteadyTime last_read_, probed_at_;
  std::string why_;
  bool writing_ = false;
  bool kicked_ = false;    // A flush is posted.
  bool in_batch_ = false;  // A flush follows by itself.
  bool probing_ = false;
  bool broken_ = false;
};

}  // namespace ff::script
