#include "model/mutants.hpp"

#include <stdexcept>

namespace ff::model {

namespace {

const std::vector<Mutant>& of_executions() {
  static const std::vector<Mutant> all = {
      {"the fence does not compare leases", "if string.find(text, id, 1, true) ~= 1 then return false end", ""},
      {"the fence does not compare epochs", "if string.sub(text, size + 1, size + 2 + #epoch) ~=", "if \"\" =="},
      {"a lease stands for others of its epoch", "if last == found and id == asked_id and", "if last == found and"},
      {"a lease stands for its other epochs", "id == asked_id and epoch == asked_epoch then", "id == asked_id then"},
      {"a lease stands for that of any execution", "if last == found and id ==", "if id =="},
      {"renew does not compare epochs", "ff.was_given(core, item.lease, item.epoch) then",
       "ff.last_lease(core) == item.lease then"},
      {"renew does not arm the timer", "ff.add(at, \":active\", item.id, at.now + a.lease_ms)",
       "ff.add(at, \":active\", item.id, at.now)"},
      {"due is strictly before now", "local due = redis.call(\"ZRANGE\", at.tag .. \":\" .. index, \"-inf\", at.now,",
       "local due = redis.call(\"ZRANGE\", at.tag .. \":\" .. index, \"-inf\", \"(\" .. at.now,"},
      {"the old index keeps its entry", "    ff.remove(at, \":\" .. from, ulid)\n", "\n"},
      {"the queue keeps its entry", "    ff.dequeue(at, ulid, core)\n", "\n"},
      {"a claim keeps its entries in the queue", "ff.remove_first(at, own.index, own.gone)", ""},
      {"a claim takes one entry too many", "redis.call(\"ZREMRANGEBYRANK\", at.tag .. list[i], 0, list[i + 1] - 1)",
          "redis.call(\"ZREMRANGEBYRANK\", at.tag .. list[i], 0, list[i + 1])"},
      {"deadlines stay behind", "if core.d or core.u then ff.remove(at, \":deadlines\", ulid) end", ""},
      {"deadlines of a cancel's grace stay behind", "if core.d or core.u then ff.remove", "if core.d then ff.remove"},
      {"timeouts stay behind",
       "if from == \"active\" and (core.t or core.tl) then ff.remove(at, \":timeouts\", ulid) end", ""},
      {"a lease that was taken away counts",
       "core.l, core.o = epoch and print_lease(\"-\", epoch, began, worker), nil", "core.o = nil"},
      {"an unstarted give-back spends its attempt", "core.o, core.a = \"released\", core.a - 1",
          "core.o = \"released\""},
      {"an idempotency key never expires", "if tonumber(expires) <= at.now then return nil end", ""},
      {"fingerprints are not compared", "if first and fingerprint ~= (item.fingerprint or \"\") then", "if false then"},
      {"a replay keeps its failures", "core.g, core.a, core.f, core.n = generation + 1, 0, 0, 0",
       "core.g, core.a, core.n = generation + 1, 0, 0"},
      {"a replay forgets the old result", "ff.write(at, { \"RENAME\", result, result .. generation })",
          "ff.unlink(at, result)"},
      {"the crash cap is off by one", "elseif crashes > crash.max then", "elseif crashes >= crash.max then"},
      {"retries are off by one", "if failures >= retry.max_attempts or", "if failures > retry.max_attempts or"},
      {"no receipt of a failure", "    core.o = entry.outcome\n", "\n"},
      {"no receipt of a completion", "core.o = \"completed\"", "core.o = \"failed\""},
      {"old receipts are not looked for",
          "if core.j and core.m ~= \"lean\" then return ff.receipt(at, ulid, lease, epoch) end", ""},
      {"epochs do not grow within a microsecond",
       "if last and last >= at.now_us then", "if false then"},
      {"a cancel does not wait for its grace", "if core.s == \"active\" and a.grace_ms > 0 then", "if false then"},
      {"a later cancel prolongs the grace", "if armed then until_ms = math.min(until_ms, tonumber(armed)) end", ""},
      {"time steps back with the clock", "if clock_ms + m.skew < m.hi then m.skew = m.hi - clock_ms end", ""},
      {"time never catches up with the clock", "m.skew = math.max(0, m.skew - (clock_ms - m.clock_ms) / 10)",
          "m.skew = m.skew"},
      {"a deletion leaves the payload", "if core.pk then ff.unlink(at, base .. \":p\") end", ""},
      {"a payload of its own key is not looked for", "return core.pl or core.pk and", "return core.pl or core.zz and"},
      {"a deletion leaves the satellites", "if not core.j then return end", "if core.j then return end"},
      {"nobody is woken", "local woken, more = ff.wake(at, offer, not offer.handed_off)",
       "local woken, more = false, false"},
      {"a handoff ends with the idle workers",
       "ff.offer(at, queue, name, waiting, nil, lane.lines[name]).handed_off = true",
          "ff.offer(at, queue, name, waiting, nil, lane.lines[name])"},
      {"old results pile up", "if generation >= ff.results_kept then", "if false then"},
      {"no second wake", "redis.pcall(\"ZADD\", at.tag .. \":handoffs\", ms, route)", ""},
      {"claims do no due work", "if at.now >= m.next_due or at.now - m.looked >= look_every_ms then",
          "if false then"},
      {"an armed timer is not remembered", "if ms < m.next_due then m.next_due = ms end", ""},
      {"an engine is not told of an earlier timer", "if not m.engine_wakes or ms < m.engine_wakes then",
          "if false then"},
      {"a resend creates anew", "  if there then\n", "  if false then\n"},
      {"a foreign namespace is let in",
          "if core and string.sub(core.q, 1, #namespace + 1) == namespace .. \"/\" then return core end",
       "if core then return core end"},
      {"a watcher is not told", "if core.v then ff.tell(at, \":v:\" .. ulid, to) end", ""},
      {"an earlier priority loses its place", "ff.place(at, a.id, core, ready_at > 0 and ready_at or nil)",
          "ff.place(at, a.id, core, at.now)"},
      {"a lost claim reply claims anew",
       "if c.again and given_before(at, c, rows) > 0 then return 0, -1, 0, \"\", c.columns end", ""},
      {"what runs again shows its earlier outcome",
          "if core.o then core.o = nil end", ""},
      {"retention counts from the creation", "ff.move(at, ulid, core, to, at.now + retention)",
       "ff.move(at, ulid, core, to, core.c + retention)"},
      {"a repeated append appends again", "local known = stream.last - (stream.base + a.sequence - 1)",
       "local known = 0"},
      {"a holder goes on with its predecessor's count",
       "stream.base, stream.last, stream.lease, stream.taken = number, number, lease, true", "stream.taken = true"},
      {"who tails is not told of the end", "if core.i then ff.tell(at, \":f:\" .. ulid, \"ended \" .. to) end", ""},
      {"a replay hides how the generation ended", "ff.close_stream(at, a.id, core)\n", ""},
      {"a signal is told anew each time", "local first, number = ff.find_signal(at, a.id, step, doc, label, a.signal)",
       "local first, number"},
      {"a closed step takes signals", "step == open and not half_done and doc or nil", "doc"},
      {"early signals do not count", "if doc.n == 0 then return false end", "if doc then return false end"},
      {"a waitpoint is never full", "if waitpoint.c >= most then return \"too_many_signals\" end", ""},
      {"a waitpoint never expires", "if expired(waitpoint, at.now) then return \"waitpoint_expired\" end", ""},
      {"a resume spends an attempt", "  core.a = core.a - 1\n", "\n"},
      {"the same source counts again", "and not among(have, signal.source) then", "then"},
      {"a replay hands the old step over", "if core.h then ff.close_steps(at, a.id, core) end", ""},
      {"expiries stay behind", "      ff.remove(at, \":waitpoints\", ulid)\n", ""},
      {"a put-off resume queues by its time", "core.o ~= \"suspended\" and due_at or nil", "due_at"},
      {"a lean execution stays", "if core.m == \"lean\" and ends then", "if false then"},
  };
  return all;
}

const std::vector<Mutant>& of_batches() {
  static const std::vector<Mutant> all = {
      {"all of a batch are of one kind", "item.kind == other.kind and", "true and"},
      {"all of a batch are of one lane", "return other and item.lane == other.lane and", "return other and"},
      {"all of a batch have one policy", "and item.policy == other.policy\n", "\n"},
      {"all of a batch have one priority", "and item.priority == other.priority and item.payload",
       "and item.payload"},
      {"all of a batch have one payload", "head_of_payload(payload) .. payload)",
       "head_of_payload(payload) .. model.core.pl)"},
      {"payloads of a batch are of one size", "local head = payload_heads[#payload]",
       "local _, head = next(payload_heads)"},
      {"a large payload of a batch stays in the core", "and #item.payload <= ff.payload_in_core_max", ""},
      {"an empty payload of a batch is stored", "and item.payload ~= \"\" and #item", "and #item"},
      {"ranks of a call do not follow the priority", "if lane.ranked_ms ~= ms or lane.ranked_priority ~= priority then",
       "if lane.ranked_ms ~= ms then"},
      {"ranks do not follow the time", "if lane.ranked_ms ~= ms or lane.ranked_priority ~= priority then",
       "if lane.ranked_priority ~= priority then"},
      {"what has satellites is a model", "local fits = core.pl and not core.j", "local fits = core.pl"},
      {"rare fields of a batch are forgotten",
       "if name ~= \"policy\" and name ~= \"priority\" then return false end", ""},
  };
  return all;
}

// Of quotas and budgets.
const std::vector<Mutant>& of_limits() {
  static const std::vector<Mutant> all = {
      {"a reservation is not counted", "if change ~= 0 then ff.put(l, \"r.\" .. dimension,",
       "if change < 0 then ff.put(l, \"r.\" .. dimension,"},
      {"what is used does not count", "- ff.limit_number(at, l, \"u.\" .. dimension)\n", "\n"},
      {"one start too many", "ff.limit_number(at, l, \"b\") - missing))",
       "ff.limit_number(at, l, \"b\") - missing + 1))"},
      {"starts come back at their full price", "worth = math.floor(earning(at, l, count)) - (at.now_us - granted_us)",
       "worth = math.floor(earning(at, l, count))"},
      {"a paused quota grants", "if not paused then h.granted", "if true then h.granted"},
      {"a repeated reservation grants anew", "if not h or item.seq > h.seq then h = grant",
       "if not h or item.seq >= h.seq then h = grant"},
      {"a late reservation counts", "if h and item.seq < h.seq then", "if false then"},
      {"a dead holder keeps its reservation", "if l.f[\"@\" .. holder] then ff.set_holder(at, l, holder, nil) end", ""},
      {"a report counts each time", "if not verdict then\n    verdict, taken", "if true then\n    verdict, taken"},
      {"the parent is forgotten", "reply[n + 6], reply[n + 7] = l.f.a or \"\"", "reply[n + 6], reply[n + 7] = \"\""},
      {"a soft limit is told late", "total >= ff.limit_number(at, l, \"s.\" .. dimension)",
       "total > ff.limit_number(at, l, \"s.\" .. dimension)"},
      {"what does not fit is counted as used", "local total = ff.limit_number(at, l, \"u.\" .. dimension) + fits",
       "local total = ff.limit_number(at, l, \"u.\" .. dimension) + amount"},
      {"what was used beyond the limit takes no room", "local over = promised and 0 or ",
       "local over = true and 0 or "},
      {"what was promised gives way to what is beyond the limit", "local over = promised and 0 or ", "local over = "},
      {"who claimed is not told of an end elsewhere",
       "  if a.elsewhere then ff.tell_worker(at, item.id, core, \"over\") end\n  if core.m", "  if core.m"},
      {"a pause is told only to who asks",
       "local paused = ff.paused_ms(at, l)\n  if paused > 0 then return paused end\n  local refused",
       "local paused = item.count > 0 and ff.paused_ms(at, l) or 0\n  if paused > 0 then return paused end\n  local "
       "refused"},
      {"a reset keeps what was used", "if l.f[\"u.\" .. dimension] then ff.put(l, \"u.\" .. dimension, 0) end", ""},
      {"a reset forgets what is reserved", "    if l.f[\"o.\" .. dimension] then ff.put(l, \"o.\" .. dimension, 0) end",
       "    if l.f[\"r.\" .. dimension] then ff.put(l, \"r.\" .. dimension, 0) end"},
      {"nobody is told that a quota is not roomy", "  tell_others(at, l, caller)\n", "\n"},
      {"a quota is roomy until it is full", "(l.f.k and 4 or 2)", "(l.f.k and 4 or 1)"},
      {"nobody is told of room", "if l.freed then unblock(at, l) end", ""},
      {"a dropped limit forgets its holders", "if first ~= \"@\" and first ~= \"r\" then", "if first ~= \"r\" then"},
  };
  return all;
}

// Of routes, fair shares and lanes.
const std::vector<Mutant>& of_lanes() {
  static const std::vector<Mutant> all = {
      {"what is sorted out stays in the common line", "  leave(at, line, place, ulid, text)\n  ff.add(at, index, ulid",
       "  ff.add(at, index, ulid"},
      {"an allowance of the common line is used twice", "allowed[charged], count = left - 1, count + 1",
       "allowed[charged], count = left, count + 1"},
      {"what is sorted out waits in no index", "  ff.add(at, line.waiting, ulid, rank)\n", ""},
      {"what is sorted out stays in the index when it leaves",
       "  ff.remove(at, \":waiting:\" .. core.q, ulid)\n  ff.remove(at, index", "  ff.remove(at, index"},
      {"the common line is in the index of the others",
       "if name ~= ff.common_line then ff.add(at, \":waiting:\" .. core.q, ulid, rank) end",
       "ff.add(at, \":waiting:\" .. core.q, ulid, rank)"},
      {"the common line keeps what was taken",
       "if line.gone > 0 then ff.remove_first(at, line.index, line.gone) end\n  local first", "local first"},
      {"what stays in the common line closes it", "local first = line.stays or line.next", "local first = line.next"},
      {"a required capability is ignored", "found = ff.satisfies_all(set.has, required.needs)", "found = true"},
      {"versions compare as texts", "if #a ~= #b then return #a < #b and -1 or 1 end\n  return order(a, b)",
       "return order(a, b)"},
      {"nobody waits for a preferred worker", "+ ff.patience_ms > at.now", "> at.now"},
      {"an allowance is used twice",
       "if line.limited then c.allowed[line.limited] = c.allowed[line.limited] - got end", ""},
      {"a fairness key's turn does not advance", "math.max(1, math.floor(1000 / (core.fw or 1)))", "0"},
      {"weights do not count", "math.floor(1000 / (core.fw or 1))", "1000"},
      {"a line beside a better one is served on", "first < last and order[first + 1].rank or math.huge",
       "math.huge"},
      {"a claim leaves its entries among those that wait",
       "if line.waiting and i > 1 then ff.remove_scored(at, line.waiting, heads, (i - 1) / 2) end", ""},
      {"those who lack a capability are woken",
       "if set.suffix ~= \"\" and (not required or ff.satisfies_all(set.has, required.needs)) then",
       "if set.suffix ~= \"\" then"},
      {"a paused lane gives work", "if lane.paused then return 0, 0, nil end", ""},
      {"a paused lane wakes", "if lane and lane.paused then return false, false end", ""},
      {"a draining lane takes work", "if lane.draining then return \"lane_draining\", item.id end", ""},
      {"a lane is deeper by one", "if depths[queue] > lane.depth then", "if depths[queue] > lane.depth + 1 then"},
      {"a strict lane is everywhere", "if lane.home and lane.home ~=", "if false and lane.home ~="},
      {"an older record counts", "if item.version > (lane.version or 0) then", "if true then"},
      {"an empty line stays empty", "  lane.own.empty = false\n", "\n"},
      {"what waits keeps its rank",
       "if changed.step ~= lane.step then ff.rank_anew(at, item.queue, lane, changed) end", ""},
      {"a lane that runs again wakes nobody", "resumed[#resumed + 1] = item.queue end", "end"},
      {"a lane's timeout does not count", "core.tl = ms and ms > 0 and ms or nil", "core.tl = nil"},
  };
  return all;
}

}  // namespace

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all = [] {
    auto joined = of_executions();
    const auto add = [&joined](const std::vector<Mutant>& more, Generator::Focus focus) {
      for (auto mutant : more) {
        mutant.focus = focus;
        joined.push_back(mutant);
      }
    };
    add(of_batches(), Generator::Focus::none);
    add(of_limits(), Generator::Focus::limits);
    add(of_lanes(), Generator::Focus::lanes);
    return joined;
  }();
  return all;
}

std::string mutated(std::string_view library, const Mutant& mutant) {
  std::string text(library);
  auto at = text.find(mutant.from);
  std::string name(mutant.name);
  if (at == std::string::npos) throw std::runtime_error(name + ": its line is not in the library");
  if (text.find(mutant.from, at + 1) != std::string::npos) throw std::runtime_error(name + ": not one line");
  return text.replace(at, std::string_view(mutant.from).size(), mutant.to);
}

}  // namespace ff::model
