#include "cluster_map.hpp"

#include <algorithm>

namespace ff::script {
namespace {

using Kind = Reply::Kind;

core::Error bad(std::string what) {
  what.insert(0, "the reply of CLUSTER SLOTS has ");
  return core::Error(core::Code::corrupt, "cluster_slots", std::move(what));
}

// With cluster-preferred-endpoint-type unknown-endpoint the host is nil; "" and "?" are a node that does not
// know its own name, and then the address may stand in the metadata.
std::string host_of(const Reply& node, std::string_view asked_host) {
  const Reply& host = node.elements[0];
  if (host.kind == Kind::bulk && !host.text.empty() && host.text != "?") return host.text;
  if (host.kind == Kind::bulk && node.elements.size() > 3) {
    const auto& metadata = node.elements[3].elements;
    for (std::size_t i = 0; i + 1 < metadata.size(); i += 2) {
      if (metadata[i].text == "ip" && !metadata[i + 1].text.empty()) return metadata[i + 1].text;
    }
  }
  return std::string(asked_host);
}

bool is_number(const Reply& reply, std::int64_t max) {
  return reply.kind == Kind::integer && reply.integer >= 0 && reply.integer <= max;
}

}  // namespace

core::Result<ClusterMap> ClusterMap::parse(const Reply& reply, std::string_view asked_host) {
  if (reply.kind != Kind::array) return bad("no array of ranges");
  ClusterMap map;
  for (const Reply& range : reply.elements) {
    if (range.kind != Kind::array || range.elements.size() < 3) return bad("a range of too few elements");
    const Reply& first = range.elements[0];
    const Reply& last = range.elements[1];
    const Reply& node = range.elements[2];
    if (!is_number(first, kSlots - 1) || !is_number(last, kSlots - 1) || first.integer > last.integer) {
      return bad("a slot out of range");
    }
    if (node.kind != Kind::array || node.elements.size() < 2) return bad("a node of too few elements");
    const Reply& port = node.elements[1];
    if (!is_number(port, 65535)) return bad("a port out of range");
    if (port.integer == 0) continue;  // A node that does not listen in the way we asked, or is not known yet.
    const Address address(host_of(node, asked_host), static_cast<std::uint16_t>(port.integer));
    const NodeIndex index = map.index_of(address);
    std::fill(map.owners_.begin() + first.integer, map.owners_.begin() + last.integer + 1, index);
  }
  return map;
}

bool ClusterMap::contains(const Address& address) const noexcept {
  return std::find(nodes_.begin(), nodes_.end(), address) != nodes_.end();
}

std::vector<ClusterMap::NodeIndex> ClusterMap::owners() const {
  std::vector<bool> owns(nodes_.size());
  for (const NodeIndex index : owners_) {
    if (index != kNobody) owns[index] = true;
  }
  std::vector<NodeIndex> indexes;
  for (std::size_t i = 0; i < owns.size(); ++i) {
    if (owns[i]) indexes.push_back(static_cast<NodeIndex>(i));
  }
  return indexes;
}

void ClusterMap::set_owner(Slot slot, const Address& address) { owners_[slot % kSlots] = index_of(address); }

ClusterMap::NodeIndex ClusterMap::index_of(const Address& address) {
  const auto found = std::find(nodes_.begin(), nodes_.end(), address);
  if (found != nodes_.end()) return static_cast<NodeIndex>(found - nodes_.begin());
  nodes_.push_back(address);
  return static_cast<NodeIndex>(nodes_.size() - 1);
}

}  // namespace ff::script
