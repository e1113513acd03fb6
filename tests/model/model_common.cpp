// The common line: what waits there needs nothing but allowances, and a claim looks at one after the other.

#include <algorithm>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

constexpr std::size_t kSpare = 4, kPage = 64, kPassedMax = 256, kSortedMax = 64, kPlaces = 8;

void lower(std::optional<std::int64_t>& rank, std::int64_t to) { rank = std::min(rank.value_or(to), to); }

}  // namespace

std::int64_t Model::Claim::lacking_max() const {
  return std::max<std::int64_t>(4, std::min<std::int64_t>({2 * want, want + 8, 64}));
}

bool Model::Claim::has_place(const std::string& requirements) const {
  return std::int64_t(lacking.size()) < lacking_most || offered.count(requirements) != 0;
}

// The first of a class that is lacking is told, and how many were seen at the end.
void Model::lacks(Line& line, const std::string& queue, const Claim& claim, const std::string& text,
                  std::int64_t rank) {
  if (++line.seen[text] > 1 || (line.slots.size() >= kPlaces && !claim.has_place(text))) return;
  handoffs_.erase(route_of(queue, line.name));
  counters_.count("allowance lacking in the common line");
  line.slots[text] = claim.lacking.size();
  claim.lacking.push_back("1 " + text);
  claim.lacking_head = std::min(claim.lacking_head.value_or(rank), rank);
}

// Returns whether it stopped before the end of the page.
bool Model::take_page(Line& line, const std::string& queue, const Claim& claim, std::size_t count, std::int64_t& room,
                      std::int64_t limit, Reply& reply) {
  const auto end = std::min(line.entries.size(), line.looked + count);
  while (line.looked < end) {
    auto& execution = executions_.at(line.entries[line.looked]);
    const auto rank_now = rank(execution);
    const auto text = execution.requirements;
    line.next = rank_now;
    if (rank_now > limit || line.passed >= kPassedMax || line.sorted >= kSortedMax) return true;
    ++line.looked;
    auto& left = claim.allowed[text];
    if (left > 0 && room > 0) {
      --left;
      if (claim.met.insert(text).second) --claim.unmet;
      --room;
      counters_.count("taken from the common line");
      start(execution, claim, reply);
    } else if (left > 0) {
      line.more = true;
      lower(line.stays, rank_now);
    } else if (claim.refused.count(text) != 0) {
      ++line.passed;
      ++line.sorted;
      counters_.count("sorted out of the common line");
      execution.sorted_out = true;
      const auto name = execution.line();
      lines_[queue].routes[name] = text;
      auto open = lines_[queue].open.emplace(name, rank_now).first;
      open->second = std::min(open->second, rank_now);
    } else {
      ++line.passed;
      lower(line.stays, rank_now);
      lacks(line, queue, claim, text, rank_now);
    }
  }
  return false;
}

void Model::take_common(Line& line, const std::string& queue, const Claim& claim, std::int64_t& room,
                        std::int64_t limit, Reply& reply) {
  const auto wanted = room;
  const auto begun = line.looked;
  bool stopped = false, useless = false;
  do {
    const auto count = std::min<std::size_t>(std::max(std::size_t(room) + kSpare, line.looked - begun), kPage);
    const auto told = claim.lacking.size(), first = line.looked;
    const auto room_before = room;
    const auto sorted_before = line.sorted;
    stopped = take_page(line, queue, claim, count, room, limit, reply);
    if (!stopped && line.entries.size() - std::min(first, line.entries.size()) < count) line.next.reset();
    useless = room == room_before && claim.lacking.size() == told && line.sorted == sorted_before &&
              claim.unmet <= 0;
  } while (!stopped && !useless && line.next && room > 0);
  const bool ahead = line.next && !stopped && room == 0 &&
                     std::int64_t(claim.lacking.size()) < claim.lacking_max();
  if (ahead) {
    const auto end = std::min(line.entries.size(), line.looked + std::min<std::size_t>(std::size_t(wanted), kPage));
    for (auto i = line.looked; i < end; ++i) {
      const auto text = executions_.at(line.entries[i]).requirements;
      if (claim.allowed[text] > 0) line.more = true;
      else if (claim.refused.count(text) == 0) lacks(line, queue, claim, text, *line.next);
    }
  }
  for (const auto& [text, slot] : line.slots) claim.lacking[slot] = std::to_string(line.seen[text]) + " " + text;
  if (line.sorted > 0 && line.next && room > 0) claim.go_on = true;
  const bool ended = line.passed >= kPassedMax || line.sorted >= kSortedMax;
  line.rank.reset();
  if (room == 0 || (stopped && !ended)) line.rank = line.next;
}

void Model::settle_common(const std::string& queue, const Line& line, bool alone) {
  auto& open = lines_[queue].open;
  const auto first = line.stays ? line.stays : line.next;
  if (!first) open.erase(line.name);
  else if (!alone && *first != line.opened) open[line.name] = *first;
}

}  // namespace ff::model
