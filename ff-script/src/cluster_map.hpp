#pragma once
// ClusterMap: which primary serves which slot.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "address.hpp"
#include "ff/core/result.hpp"
#include "ff/script/connection.hpp"

namespace ff::script {

class ClusterMap {
 public:
  static constexpr std::size_t kSlots = 16384;
  using NodeIndex = std::uint16_t;
  static constexpr NodeIndex kNobody = 0xffff;

  ClusterMap() { owners_.fill(kNobody); }

  // Reads the reply of CLUSTER SLOTS. Replicas are left out. A node without a host is the node that was
  // asked. Error: corrupt/"cluster_slots".
  static core::Result<ClusterMap> parse(const Reply& reply, std::string_view asked_host);

  bool empty() const noexcept { return nodes_.empty(); }
  // Index into nodes(), or kNobody.
  NodeIndex owner(Slot slot) const noexcept { return owners_[slot % kSlots]; }
  // Every primary that owns slots, and those that owned some until set_owner.
  const std::vector<Address>& nodes() const noexcept { return nodes_; }
  bool contains(const Address& address) const noexcept;
  // Those that own slots now.
  std::vector<NodeIndex> owners() const;
  void set_owner(Slot slot, const Address& address);

 private:
  NodeIndex index_of(const Address& address);

  std::vector<Address> nodes_;
  std::array<NodeIndex, kSlots> owners_;
};

}  // namespace ff::script
