#pragma once
// Every bound in one place, its unit in the name, its reason beside it.

#include <cstddef>
#include <cstdint>

namespace ff::core::limits {

constexpr std::size_t kPartitionsMax = 1024;  // 16 slots each: fewer would not spread.
constexpr std::size_t kPartitionsDefault = 64;
constexpr std::size_t kPrefixChars = 16;  // Part of every key.
// "<namespace>/<lane>" is one core field of at most 64 bytes.
constexpr std::size_t kNamespaceChars = 24;
constexpr std::size_t kLaneChars = 39;
constexpr std::size_t kKindChars = 64;    // A core field, which every write of the core carries.
constexpr std::size_t kWorkerChars = 64;  // A core field.
constexpr std::size_t kContentTypeChars = 64;  // A core field.
constexpr std::size_t kFailureClassChars = 32;
constexpr std::size_t kIdempotencyKeyBytes = 256;
// Payloads and results; larger data belongs in a store of objects.
constexpr std::size_t kPayloadBytes = 1024 * 1024;
constexpr std::size_t kErrorTextBytes = 16 * 1024;
constexpr std::size_t kProgressTextBytes = 1024;
constexpr std::size_t kReleaseReasonBytes = 512;
constexpr std::size_t kFrameBytes = 64 * 1024;  // Larger ones would hold the store for long.
constexpr std::size_t kFrameTypeBytes = 64;
constexpr std::size_t kSummaryBytes = 32 * 1024;  // The document, and the patches of one call: Lua takes them apart.
constexpr std::size_t kFramesPage = 1000;
constexpr std::size_t kTagsMax = 16;
constexpr std::size_t kTagKeyChars = 64;
constexpr std::size_t kTagValueBytes = 256;
constexpr std::size_t kBatchItems = 256;  // Items of one submit, complete, renew or claim call.
// Payloads of one submit call: one call must not hold the store for long.
constexpr std::size_t kBatchBytes = 4 * 1024 * 1024;
constexpr std::size_t kClientCallsInFlight = 32;  // Of one submit_many, count or list.
constexpr std::size_t kListPage = 1000;
constexpr std::int64_t kPriorityMax = 9000;
// Delays, timeouts, retention: ten years.
constexpr std::int64_t kDurationMsMax = 10LL * 365 * 24 * 3600 * 1000;
// Year 5138: from 1e14 on Lua prints numbers with an exponent.
constexpr std::int64_t kTimestampMsMax = 99'999'999'999'999;
constexpr std::int64_t kLeaseMsMin = 100;
constexpr std::int64_t kLeaseMsMax = 24LL * 3600 * 1000;
constexpr std::size_t kRetryDelaysMax = 64;     // Entries of an explicit retry schedule.
constexpr std::size_t kFailureClassesMax = 32;  // Entries of `only` and `never`.
constexpr std::int64_t kAttemptsMax = 1000;
constexpr std::int64_t kCrashesMax = 1000;
constexpr double kRetryFactorMax = 100;
constexpr std::size_t kLimitNameChars = 64;  // Of a quota or budget.
constexpr std::size_t kQuotasMax = 8;         // Of one execution.
constexpr std::size_t kDimensionChars = 32;
constexpr std::size_t kDimensionsMax = 8;  // Of a budget.
constexpr std::size_t kZoneChars = 64;
constexpr std::int64_t kAmountMax = 1'000'000'000'000'000;  // Sums of a few stay exact in Lua.
constexpr std::int64_t kQuotaRateMax = 1'000'000;
constexpr std::int64_t kBurstPeriodMax = 1'000'000'000'000;  // Burst times period in ms: exact in microseconds.
constexpr std::size_t kUsageKeyChars = 64;
constexpr std::size_t kCapabilityChars = 64;     // Also of a requirement and of a fairness key.
constexpr std::size_t kCapabilitiesMax = 64;     // Of one worker.
constexpr std::size_t kRequirementsMax = 16;     // Entries of `needs` and of `prefers`.
constexpr std::size_t kRequirementsBytes = 1024; // Of all of them as one text.
constexpr std::int64_t kWeightMax = 1000;        // Of a lane and of a fairness key.
constexpr std::int64_t kLaneDepthMax = 1'000'000'000;
constexpr std::int64_t kLaneConcurrencyMax = 1'000'000'000;
// A week for each step of priority: 9000 of them stay exact beside the time.
constexpr std::int64_t kAgingMsMax = 7LL * 24 * 3600 * 1000;
constexpr std::size_t kLaneReasonBytes = 512;    // Why a lane was paused.
constexpr std::size_t kRingKeysMax = 16;       // Of a key ring: one active, the rest in grace or revoked.
constexpr std::size_t kTokenBytes = 1024;      // A waitpoint token fits a header line and a chat message.
constexpr std::size_t kTokenNamesMax = 16;
constexpr std::size_t kTokenTextBytes = 128;   // Each name, waitpoint and source in a token.
constexpr std::size_t kTokenNarrowingsMax = 8;
// Suspensions. The library refuses the same: lua/domain/condition.lua, suspension.lua.
constexpr std::size_t kConditionDepth = 8;
constexpr std::size_t kConditionLeaves = 32;
constexpr std::size_t kConditionWords = 32;         // Names, or sources, of a leaf or a waitpoint.
constexpr std::int64_t kSignalsMax = 10'000;        // At one waitpoint.
constexpr std::int64_t kDistinctSourcesMax = 64;    // Each is kept until the condition holds.
constexpr std::size_t kWaitpointsMax = 16;          // Of one step.
constexpr std::size_t kSignalNameChars = 64;
constexpr std::size_t kSignalIdBytes = 128;         // Also of a source and of an event's key.
constexpr std::size_t kSignalBytes = 256 * 1024;
constexpr std::size_t kKeptBytes = 16 * 1024;       // Part of a document that every signal reads.
constexpr std::size_t kLogValueBytes = 2048;  // A log line stays readable, whatever was put in it.
constexpr std::size_t kShownBytes = 48;       // What a refusal repeats of a value.

}  // namespace ff::core::limits
