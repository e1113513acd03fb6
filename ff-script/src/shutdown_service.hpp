#pragma once
// ShutdownService: tells routers that their io_context dies. Calls under way own coroutines, coroutines own
// connections, and connections own calls: without this word such a ring would outlive the context.

#include <boost/asio/execution_context.hpp>
#include <mutex>
#include <set>

namespace ff::script {

class Abandonable {
 public:
  // Lets go of every handler without running it. The context must not be used any more.
  virtual void abandon() = 0;

 protected:
  ~Abandonable() = default;
};

// Thread-safe.
class ShutdownService final : public boost::asio::execution_context::service {
 public:
  using key_type = ShutdownService;
  static boost::asio::execution_context::id id;

  explicit ShutdownService(boost::asio::execution_context& context);
  void add(Abandonable& object);
  void remove(Abandonable& object);

 private:
  void shutdown() override;

  std::mutex mutex_;
  std::set<Abandonable*> objects_;
};

}  // namespace ff::script
