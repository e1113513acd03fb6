#include "shutdown_service.hpp"

namespace ff::script {

boost::asio::execution_context::id ShutdownService::id;

ShutdownService::ShutdownService(boost::asio::execution_context& context) : service(context) {}

void ShutdownService::add(Abandonable& object) {
  const std::lock_guard lock(mutex_);
  objects_.insert(&object);
}

void ShutdownService::remove(Abandonable& object) {
  const std::lock_guard lock(mutex_);
  objects_.erase(&object);
}

void ShutdownService::shutdown() {
  while (true) {
    Abandonable* object = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (objects_.empty()) return;
      object = *objects_.begin();
      objects_.erase(objects_.begin());
    }
    object->abandon();
  }
}

}  // namespace ff::script
