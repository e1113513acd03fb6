// What each figure means, and the bars and stretch goals of the performance contract. The one place that states them.

#include <fmt/format.h>

#include <stdexcept>

#include "bench/report.hpp"

namespace ff::bench {
namespace {

using Table = std::map<std::string, Figure>;

Figure& add(Table& table, const std::string& id, std::string text, std::string unit, Better better) {
  Figure& figure = table[id];
  figure.text = std::move(text);
  figure.unit = std::move(unit);
  figure.better = better;
  return figure;
}

Figure& lower(Table& table, const std::string& id, std::string text, std::string unit) {
  return add(table, id, std::move(text), std::move(unit), Better::lower);
}

Figure& higher(Table& table, const std::string& id, std::string text, std::string unit) {
  return add(table, id, std::move(text), std::move(unit), Better::higher);
}

void wanted(Figure& figure, double bar, double stretch) {
  figure.bar = bar;
  figure.stretch = stretch;
}

// Rate and costs of one kind of load.
void add_cost(Table& table, const std::string& id, const std::string& text) {
  higher(table, id + ".rate", text, "/s");
  lower(table, id + ".valkey_us", text + ": Valkey CPU", "us");
  lower(table, id + ".client_us", text + ": client CPU", "us");
}

void add_lifecycle(Table& table, const std::string& mode, const std::string& way, const std::string& how) {
  const auto id = fmt::format("lifecycle.{}.{}", mode, way);
  const auto text = fmt::format("lifecycle, {}, {}", mode, how);
  add_cost(table, id, text);
  for (const std::string verb : {"submit", "claim", "complete"}) {
    lower(table, fmt::format("{}.{}_us", id, verb), fmt::format("  of it {}: Valkey CPU", verb), "us");
  }
  lower(table, id + ".chained_us", text + ", claiming with complete: Valkey CPU", "us");
}

void add_lifecycles(Table& table) {
  for (const std::string mode : {"record", "lean"}) {
    add_lifecycle(table, mode, "1", "one at a time");
    add_lifecycle(table, mode, "1_16", "one to a call, 16 calls in flight");
    add_lifecycle(table, mode, "16", "batches of 16");
    add_lifecycle(table, mode, "16_4", "batches of 16, 4 calls in flight");
    add_lifecycle(table, mode, "64", "batches of 64");
    add_lifecycle(table, mode, "64_4", "batches of 64, 4 calls in flight");
  }
  for (const std::string way : {"1", "1_16"}) wanted(table["lifecycle.record." + way + ".valkey_us"], 75, 55);
  for (const std::string way : {"16", "16_4", "64", "64_4"}) {
    wanted(table["lifecycle.record." + way + ".valkey_us"], 45, 30);
    wanted(table["lifecycle.lean." + way + ".valkey_us"], 25, 15);
  }
}

void add_drains(Table& table) {
  for (const std::string shape : {"1x1", "1x16", "1x100", "4x25"}) {
    for (const std::string mode : {"record", "lean"}) {
      add_cost(table, fmt::format("drain.{}.{}", mode, shape), fmt::format("drain, {} mode, {}", mode, shape));
    }
    add_cost(table, "drain.bullmq_keep." + shape, "BullMQ, jobs kept, " + shape);
    add_cost(table, "drain.bullmq_remove." + shape, "BullMQ, jobs removed, " + shape);
    wanted(higher(table, "drain.ratio." + shape, "record mode against BullMQ with jobs kept, " + shape, "x"), 1.5, 3);
    higher(table, "drain.ratio_lean." + shape, "lean mode against BullMQ with jobs removed, " + shape, "x");
  }
  add_cost(table, "drain.prioritized.1x16", "drain, record mode, ten priorities in turn, 1x16");
  add_cost(table, "drain.bullmq_prioritized.1x16", "BullMQ, jobs kept, ten priorities in turn, 1x16");
  higher(table, "drain.ratio_prioritized.1x16", "ten priorities against BullMQ's, 1x16", "x");
  add_cost(table, "drain.lean.batched", "drain, lean mode, 1x256 with as many prefetched");
  wanted(table["drain.lean.batched.rate"], 40'000, 60'000);
  add_cost(table, "drain.record.batched", "drain, record mode, 1x256 with as many prefetched");
}

void add_limits(Table& table) {
  for (const std::string places : {"x16", "x100"}) {
    add_cost(table, "limits.none." + places, "drain without limits, " + places);
    for (const auto& [name, text] : {std::pair("one_quota", "one quota on all"), std::pair("keyed", "1000 quotas"),
                                     std::pair("one_rate", "one rate on all")}) {
      add_cost(table, fmt::format("limits.{}.{}", name, places), fmt::format("drain, {}, {}", text, places));
      const auto share = fmt::format("limits.share.{}.{}", name, places);
      higher(table, share, fmt::format("drain, {}, of the rate without, {}", text, places), "x");
    }
    for (const std::string name : {"one_quota", "keyed"}) {
      wanted(table[fmt::format("limits.share.{}.{}", name, places)], 0.7, 0.9);
    }
    add_cost(table, "limits.bullmq_keep." + places, "BullMQ without its limiter, " + places);
    add_cost(table, "limits.bullmq_limited." + places, "BullMQ under its limiter, " + places);
    higher(table, "limits.share.bullmq." + places, "BullMQ under its limiter, of its rate without, " + places, "x");
  }
}

void add_latencies(Table& table) {
  wanted(lower(table, "start.p50", "submit to handler start, 200/s, idle engine: p50", "ms"), 0.5, 0.25);
  wanted(lower(table, "start.p99", "submit to handler start, 200/s, idle engine: p99", "ms"), 2, 1);
  lower(table, "start.max", "submit to handler start, 200/s, idle engine: worst", "ms");
  lower(table, "start.lag_p99", "how late the load itself submitted: p99", "ms");
  wanted(lower(table, "delayed.p99", "delayed execution starts after its time: p99", "ms"), 20, 5);
  lower(table, "delayed.p50", "delayed execution starts after its time: p50", "ms");
  lower(table, "delayed.early", "started before their time", "executions");
}

void add_streams(Table& table) {
  add_cost(table, "stream.append.256", "frames of 100 B appended, 256 to a call");
  wanted(table["stream.append.256.rate"], 50'000, 100'000);
  add_cost(table, "stream.append.16", "frames of 100 B appended, 16 to a call");
  wanted(lower(table, "stream.sse.p50", "append to client of server-sent events: p50", "ms"), 5, 1);
  lower(table, "stream.sse.p99", "append to client of server-sent events: p99", "ms");
}

void add_suspensions(Table& table) {
  for (const auto& [way, text] : {std::pair("sdk", "the SDK"), std::pair("http", "HTTP with a token")}) {
    const auto id = fmt::format("suspend.{}", way);
    for (const std::string share : {"p50", "p99"}) {
      const auto whole = fmt::format("suspend, signal over {}, running again: {}", text, share);
      lower(table, id + ".whole." + share, whole, "ms");
      lower(table, id + ".signal." + share, fmt::format("signal over {} to running: {}", text, share), "ms");
    }
  }
  wanted(table["suspend.sdk.whole.p50"], 1.5, 0.6);
  wanted(table["suspend.http.signal.p50"], 4, 2);
  wanted(lower(table, "suspend.memory", "memory per suspended execution, 100 B payload", "B"), 1200, 1000);
  lower(table, "suspend.memory.events", "  of it the event streams", "B");
  for (const auto& [many, text] : {std::pair("ten", "ten"), std::pair("many", "many")}) {
    const auto id = fmt::format("suspend.among.{}", many);
    lower(table, id + ".valkey_us", fmt::format("signal among {} suspended: Valkey CPU", text), "us");
    for (const std::string share : {"p50", "p99"}) {
      lower(table, id + "." + share, fmt::format("signal among {} suspended: {}", text, share), "ms");
    }
  }
  lower(table, "suspend.among.ratio", "  many against ten: Valkey CPU", "x").bar = 1.1;
}

void add_memory(Table& table) {
  wanted(lower(table, "memory.queued.record", "memory per queued execution, 100 B payload, record", "B"), 800, 600);
  wanted(lower(table, "memory.queued.lean", "memory per queued execution, 100 B payload, lean", "B"), 500, 300);
  wanted(lower(table, "memory.finished", "memory per finished execution, empty payload, record", "B"), 900, 500);
  for (const std::string what : {"queued.record", "queued.lean", "finished"}) {
    lower(table, "memory." + what + ".events", "  of it the event streams", "B");
  }
  wanted(lower(table, "idle.commands", "commands per second, idle, 1 server and 100 workers", "/s"), 20, 5);
  lower(table, "idle.pings", "  of them PING", "/s");
  lower(table, "idle.calls", "  of them function calls", "/s");
  lower(table, "idle.valkey_cpu", "Valkey CPU when idle", "ms/s");
}

void add_curves(Table& table) {
  const auto curve = [&table](const std::string& id, const std::string& axis, std::string text, std::string unit,
                              Better better) {
    add(table, id, std::move(text), std::move(unit), better).axis = axis;
  };
  const std::string queued = "executions queued", partitions = "partitions";
  curve("backlog.rate", queued, "lifecycles in batches of 16 on a backlog", "/s", Better::higher);
  curve("backlog.valkey_us", queued, "the same: Valkey CPU", "us", Better::lower);
  curve("backlog.claim_p50", queued, "claim of one on a backlog: p50", "ms", Better::lower);
  curve("backlog.claim_p99", queued, "claim of one on a backlog: p99", "ms", Better::lower);
  curve("backlog.submit_rate", queued, "submits in batches of 16 up to this backlog", "/s", Better::higher);
  curve("partitions.rate", partitions, "lifecycles in batches of 16", "/s", Better::higher);
  curve("partitions.valkey_us", partitions, "the same: Valkey CPU", "us", Better::lower);
  curve("partitions.claim_p99", partitions, "claim of one: p99", "ms", Better::lower);
  curve("partitions.drain_rate", partitions, "drain, record mode, 1x16", "/s", Better::higher);
  curve("partitions.drain_us", partitions, "the same: Valkey CPU", "us", Better::lower);
}

void add_circumstances(Table& table) {
  for (const std::string aof : {"off", "everysec", "always"}) {
    add_cost(table, "aof." + aof + ".one", "lifecycle one at a time, AOF " + aof);
    add_cost(table, "aof." + aof + ".16", "lifecycle in batches of 16, AOF " + aof);
    add_cost(table, "aof." + aof + ".drain", "drain, record mode, 1x16, AOF " + aof);
  }
  for (const std::string way : {"unix", "tcp", "tcp_1ms"}) {
    const std::string name = way == "tcp_1ms" ? "TCP with 1 ms more round trip" : way == "tcp" ? "TCP" : "unix socket";
    add_cost(table, "transport." + way + ".one", "lifecycle one at a time, " + name);
    add_cost(table, "transport." + way + ".drain16", "drain, record mode, 1x16, " + name);
    add_cost(table, "transport." + way + ".drain100", "drain, record mode, 1x100, " + name);
  }
}

void add_million(Table& table) {
  higher(table, "million.submit_rate", "one million: submitted in batches of 256", "/s");
  higher(table, "million.drain_rate", "one million: drained, 1x100 with 100 prefetched", "/s");
  higher(table, "million.drain_first", "one million: the first tenth drained", "/s");
  higher(table, "million.drain_last", "one million: the last tenth drained", "/s");
  lower(table, "million.purge_s", "one million: purged after the last has ended, within", "s");
  lower(table, "million.bytes", "one million: memory per queued execution", "B");
  lower(table, "million.left_mb", "one million: memory beyond the start when all is purged", "MB");
}

void add_routes(Table& table) {
  const std::pair<std::string, std::string> cases[] = {{"empty_lane", "in a lane of plain work"},
                                                       {"behind_100k", "100,000 of another route ahead"},
                                                       {"one_route", "of a route"},
                                                       {"keys_1", "of one fairness key"},
                                                       {"keys_1000", "of 1,000 fairness keys"}};
  for (const auto& [name, how] : cases) {
    for (const std::string batch : {"1", "16"}) {
      const auto id = "routes." + name + "." + batch;
      lower(table, id + ".claim_us", fmt::format("claim in batches of {}, {}: Valkey CPU", batch, how), "us");
      lower(table, id + ".ratio", "  against a lane of plain work", "x");
    }
  }
  for (const std::string batch : {"1", "16"}) {
    table["routes.behind_100k." + batch + ".ratio"].bar = 1.2;
    table["routes.keys_1000." + batch + ".ratio"].bar = 1.3;
  }
  lower(table, "routes.fair_share_error", "two equal keys, 64 partitions: largest difference", "executions");
  lower(table, "routes.priority_inversions", "two priorities, 64 partitions: lower ones begun first", "executions");
}

void add_connections(Table& table) {
  for (const std::string way : {"unix", "tcp"}) {
    for (const int depth : {1, 10, 50, 500}) {
      const auto id = fmt::format("connection.{}.{}", way, depth);
      higher(table, id + ".rate", fmt::format("GET of 100 B over {}, {} in flight", way, depth), "/s");
      lower(table, id + ".client_us", fmt::format("GET of 100 B over {}, {} in flight: client CPU", way, depth), "us");
    }
  }
}

Table make_table() {
  Table table;
  add_cost(table, "floor.1", "function with two commands, one at a time");
  add_cost(table, "floor.16", "function with two commands, 16 in flight");
  add_lifecycles(table);
  add_cost(table, "submit.1", "Client::submit, one at a time");
  add_cost(table, "submit.16", "Client::submit, 16 in flight");
  for (const std::string size : {"16", "64", "1024"}) {
    add_cost(table, "submit.many" + size, "Client::submit_many of " + size + ", one at a time");
  }
  add_drains(table);
  add_limits(table);
  add_latencies(table);
  add_suspensions(table);
  add_streams(table);
  add_memory(table);
  add_curves(table);
  add_circumstances(table);
  add_million(table);
  add_connections(table);
  add_routes(table);
  return table;
}

}  // namespace

const Figure& figure(const std::string& id) {
  static const Table table = make_table();
  const auto found = table.find(id);
  if (found == table.end()) throw std::logic_error("no figure is called " + id);
  return found->second;
}

}  // namespace ff::bench
