#include "conformance/store_suite.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "conformance/store_suite_util.h"
#include "conformance/store_watcher.h"

namespace minikube::test {
namespace {

using std::chrono::seconds;

const std::string kNoEnd(1, '\0');

// --- Revisions and transactions ---------------------------------------------------------------------------------

void RevisionsCountTransactions(StoreHarness& harness) {
  Store& store = harness.store();
  CHECK(store.revision() == 1);
  CHECK(Put(store, "a", "1") == 2);
  CHECK(Put(store, "a", "2") == 3);
  Transaction two;
  two.writes.push_back({.key = "b", .value = "1"});
  two.writes.push_back({.key = "c", .value = "1"});
  CHECK(store.Commit(std::move(two)).value().revision == 4);
  CHECK(store.Get("b").value()->mod_revision == 4);
  CHECK(store.Get("c").value()->mod_revision == 4);

  Transaction nothing;
  nothing.writes.push_back({.key = "absent"});
  const CommitResult result = store.Commit(std::move(nothing)).value();
  CHECK(result.succeeded);
  CHECK(result.revision == 4);
  CHECK(store.Commit(Transaction()).value().revision == 4);
  CHECK(store.revision() == 4);
  CHECK(Delete(store, "a") == 5);
  CHECK(store.revision() == 5);
}

void CompareAndSet(StoreHarness& harness) {
  Store& store = harness.store();
  const auto set = [&](Revision expected, std::optional<std::string> value) {
    Transaction txn;
    txn.compares.push_back({"k", expected});
    txn.writes.push_back({.key = "k", .value = std::move(value)});
    return store.Commit(std::move(txn)).value();
  };
  CHECK_FALSE(set(7, "no").succeeded);
  CHECK(set(0, "first").revision == 2);
  const CommitResult again = set(0, "again");
  CHECK_FALSE(again.succeeded);
  CHECK(again.revision == 2);
  CHECK(set(2, "second").revision == 3);
  CHECK_FALSE(set(2, std::nullopt).succeeded);
  CHECK(set(3, std::nullopt).revision == 4);
  CHECK_FALSE(set(4, "a deleted key has revision 0").succeeded);
  CHECK(set(0, "anew").revision == 5);
  CHECK(store.Get("k").value()->value == "anew");

  // A conjunction: one that fails is enough, and nothing is written.
  Transaction txn;
  txn.compares = {{"k", 5}, {"other", 1}};
  txn.writes.push_back({.key = "k", .value = "x"});
  txn.writes.push_back({.key = "other", .value = "x"});
  CHECK_FALSE(store.Commit(std::move(txn)).value().succeeded);
  CHECK(store.Get("k").value()->value == "anew");
  CHECK_FALSE(store.Get("other").value().has_value());
}

void VersionsOfAKey(StoreHarness& harness) {
  Store& store = harness.store();
  const auto facts = [&](Revision at = 0) {
    const KeyValue kv = *store.Get("k", at).value();
    return std::tuple(kv.create_revision, kv.mod_revision, kv.version);
  };
  Put(store, "k", "1");
  CHECK(facts() == std::tuple(2, 2, 1));
  Put(store, "other", "1");
  Put(store, "k", "2");
  CHECK(facts() == std::tuple(2, 4, 2));
  Delete(store, "k");
  CHECK_FALSE(store.Get("k").value());
  Put(store, "k", "3");
  CHECK(facts() == std::tuple(6, 6, 1));
  CHECK(facts(4) == std::tuple(2, 4, 2));
  CHECK(facts(3) == std::tuple(2, 2, 1));
}

void MalformedTransactionsAreRefused(StoreHarness& harness) {
  Store& store = harness.store();
  const auto code = [&](Transaction txn) { return store.Commit(std::move(txn)).status().code(); };
  Transaction empty_key;
  empty_key.writes.push_back({.key = "", .value = "x"});
  CHECK(code(std::move(empty_key)) == Code::kBadRequest);
  Transaction empty_compare;
  empty_compare.compares.push_back({"", 0});
  CHECK(code(std::move(empty_compare)) == Code::kBadRequest);
  Transaction twice;
  twice.writes.push_back({.key = "k", .value = "1"});
  twice.writes.push_back({.key = "k", .value = "2"});
  CHECK(code(std::move(twice)) == Code::kBadRequest);
  Transaction long_key;
  long_key.writes.push_back({.key = std::string(kMaxKeyBytes + 1, 'k'), .value = "x"});
  CHECK(code(std::move(long_key)) == Code::kBadRequest);
  Transaction large;
  large.writes.push_back({.key = "k", .value = std::string(StoreOptions().max_value_bytes + 1, 'v')});
  CHECK(code(std::move(large)) == Code::kTooLarge);
  Transaction many;
  for (std::size_t i = 0; i <= kMaxTransactionItems; ++i) many.writes.push_back({.key = fmt::format("{}", i)});
  CHECK(code(std::move(many)) == Code::kBadRequest);
  CHECK(store.revision() == 1);

  Transaction largest;
  largest.writes.push_back(
      {.key = std::string(kMaxKeyBytes, 'k'), .value = std::string(StoreOptions().max_value_bytes, 'v')});
  CHECK(code(std::move(largest)) == Code::kOk);
}

// Transactions that are queued together still see one another's effects, in order.
void QueuedTransactionsAreSerial(StoreHarness& harness) {
  Store& store = harness.store();
  std::vector<Result<CommitResult>> results;
  const auto done = [&](Result<CommitResult> result) { results.push_back(std::move(result)); };
  for (int i = 0; i < 3; ++i) {
    Transaction txn;
    txn.compares.push_back({"k", 0});
    txn.writes.push_back({.key = "k", .value = fmt::format("{}", i)});
    store.Commit(std::move(txn), done);
  }
  Transaction erase;
  erase.compares.push_back({"k", 2});
  erase.writes.push_back({.key = "k"});
  store.Commit(std::move(erase), done);
  Transaction create;
  create.compares.push_back({"k", 0});
  create.writes.push_back({.key = "k", .value = "last"});
  store.Commit(std::move(create), done);
  Transaction bad;
  bad.writes.push_back({.key = "x", .value = "x", .lease = 42});
  store.Commit(std::move(bad), done);
  REQUIRE(harness.Settle([&] { return results.size() == 6; }));

  CHECK(results[0]->succeeded);
  CHECK_FALSE(results[1]->succeeded);
  CHECK_FALSE(results[2]->succeeded);
  CHECK(results[1]->revision == 2);
  CHECK(results[3]->revision == 3);
  CHECK(results[4]->revision == 4);
  CHECK(results[5].status().code() == Code::kNotFound);
  const KeyValue kv = *store.Get("k").value();
  CHECK(kv.value == "last");
  CHECK(kv.create_revision == 4);
  CHECK(kv.version == 1);
  CHECK(store.revision() == 4);
  CHECK(Changes(store, 1) == std::vector<std::string>{"2 put k=0 new", "3 delete k", "4 put k=last new"});
}

void CompanionsTravelWithTheirWrites(StoreHarness& harness) {
  struct Stamp final : Companion {
    void OnCommitted(Revision r) override {
      CHECK(store->revision() < r);  // before anybody can see it
      revision = r;
    }
    const Store* store = nullptr;
    Revision revision = 0;
  };
  Store& store = harness.store();
  StoreWatcher watcher(store, "a", kNoEnd, 1);
  const auto stamp = std::make_shared<Stamp>();
  stamp->store = &store;
  Transaction txn;
  txn.writes.push_back({.key = "k", .value = "v", .companion = stamp});
  CHECK(store.Commit(std::move(txn)).value().revision == 2);
  CHECK(stamp->revision == 2);
  REQUIRE(watcher.Poll().size() == 1);
  CHECK(watcher.Poll()[0].companion == stamp);

  const auto unused = std::make_shared<Stamp>();
  Transaction fails;
  fails.compares.push_back({"k", 0});
  fails.writes.push_back({.key = "k", .value = "v", .companion = unused});
  CHECK_FALSE(store.Commit(std::move(fails)).value().succeeded);
  CHECK(unused->revision == 0);
  CHECK(store.Replay("k", "", 1, 0).value().changes[0].companion == nullptr);
}

// --- Reading ----------------------------------------------------------------------------------------------------

void RangesAreOrderedAndBounded(StoreHarness& harness) {
  Store& store = harness.store();
  // Zero bytes, 0xff and prefixes of one another: the order is that of the bytes, whatever the store does to them.
  const std::vector<std::string> keys = {std::string("\0", 1),
                                         std::string("\0\xff", 2),
                                         "a",
                                         std::string("a\0", 2),
                                         std::string("a\0\0", 3),
                                         std::string("a\0\x01", 3),
                                         std::string("a\0\x01z", 4),
                                         std::string("a\0\xff", 3),
                                         std::string("a\x01", 2),
                                         "a/1",
                                         "a/2",
                                         "b",
                                         "\xff",
                                         "\xff\xff"};
  std::vector<std::string> shuffled = keys;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(Catch::rngSeed()));
  for (const std::string& key : shuffled) Put(store, key, "v" + key);

  const auto in = [&](std::string_view key, std::string end) {
    RangeOptions options;
    options.end = std::move(end);
    std::vector<std::string> out;
    for (const KeyValue& kv : store.Range(key, options).value().kvs) {
      CHECK(kv.value == "v" + kv.key);
      out.push_back(kv.key);
    }
    return out;
  };
  CHECK(in(kNoEnd, kNoEnd) == keys);
  CHECK(in("", kNoEnd) == keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CHECK(in(keys[i], "") == std::vector{keys[i]});
    CHECK(in(keys[i], kNoEnd) == std::vector(keys.begin() + static_cast<std::ptrdiff_t>(i), keys.end()));
    for (std::size_t j = i; j < keys.size(); ++j) {
      if (keys[j] == kNoEnd) continue;
      CHECK(in(keys[i], keys[j]) ==
            std::vector(keys.begin() + static_cast<std::ptrdiff_t>(i), keys.begin() + static_cast<std::ptrdiff_t>(j)));
    }
  }
  CHECK(in("a/", PrefixEnd("a/")) == std::vector<std::string>{"a/1", "a/2"});
  CHECK(in("\xff", PrefixEnd("\xff")) == std::vector<std::string>{"\xff", "\xff\xff"});
  CHECK(in("b", "a").empty());
  CHECK(in("nothing", "").empty());
  CHECK(store.Range("").status().code() == Code::kBadRequest);
}

void RangeLimitsAndCounts(StoreHarness& harness) {
  Store& store = harness.store();
  for (int i = 0; i < 20; ++i) Put(store, fmt::format("k{:02}", i), "v");
  Delete(store, "k05");
  RangeOptions options;
  options.end = "l";
  options.limit = 7;
  RangeResult page = store.Range("k", options).value();
  CHECK(page.kvs.size() == 7);
  CHECK(page.kvs.back().key == "k07");
  CHECK(page.count == 19);
  CHECK(page.more);
  CHECK(page.revision == 22);

  options.exact_count = false;
  page = store.Range("k", options).value();
  CHECK(page.kvs.size() == 7);
  CHECK(page.more);

  options.exact_count = true;
  options.limit = 19;
  page = store.Range("k", options).value();
  CHECK(page.kvs.size() == 19);
  CHECK_FALSE(page.more);

  options.limit = 0;
  options.keys_only = true;
  page = store.Range("k", options).value();
  CHECK(page.kvs.size() == 19);
  CHECK(page.kvs[3].value.empty());
  CHECK(page.kvs[3].mod_revision == 5);

  options.count_only = true;
  page = store.Range("k", options).value();
  CHECK(page.kvs.empty());
  CHECK(page.count == 19);
}

void PastRevisionsStayReadable(StoreHarness& harness) {
  Store& store = harness.store();
  // Many versions, so that a read has to find its own among newer and older ones.
  for (int i = 2; i < 60; ++i) {
    Put(store, "a", fmt::format("a{}", i));
    Put(store, fmt::format("b{}", i % 3), fmt::format("b{}", i));
  }
  for (Revision at = 2; at <= store.revision(); ++at) {
    RangeOptions options;
    options.end = kNoEnd;
    options.revision = at;
    const RangeResult result = store.Range("a", options).value();
    CHECK(result.kvs.size() == std::min<std::size_t>(4, static_cast<std::size_t>(at / 2 + (at % 2 == 0 ? 0 : 1))));
    CHECK(result.kvs[0].value == fmt::format("a{}", at / 2 + 1));
    CHECK(result.revision == store.revision());
  }
  CHECK_FALSE(store.Get("a", 1).value());
  CHECK(store.Get("a", store.revision() + 1).status().code() == Code::kBadRequest);
}

// --- Watching ---------------------------------------------------------------------------------------------------

void WatchIsResumable(StoreHarness& harness) {
  Store& store = harness.store();
  for (int i = 0; i < 30; ++i) {
    Put(store, fmt::format("k{}", i % 4), fmt::format("{}", i));
    if (i % 7 == 0) Delete(store, fmt::format("k{}", i % 4));
  }
  const std::vector<std::string> all = Changes(store, 1);
  CHECK(all.size() == static_cast<std::size_t>(store.revision() - 1));
  for (Revision from = 1; from <= store.revision() + 1; ++from) {
    StoreWatcher watcher(store, "a", kNoEnd, from);
    std::vector<std::string> expected;
    for (const std::string& line : all) {
      if (std::stoll(line) >= from) expected.push_back(line);
    }
    CHECK(Lines(watcher.Poll()) == expected);
  }
  StoreWatcher live(store, "k1", "", store.revision() + 1);
  Put(store, "k1", "x");
  Put(store, "k2", "x");
  Delete(store, "k1");
  CHECK(Lines(live.Poll()) == std::vector<std::string>{fmt::format("{} put k1=x", store.revision() - 2),
                                                       fmt::format("{} delete k1", store.revision())});
}

void WatchIsAtomic(StoreHarness& harness) {
  Store& store = harness.store();
  for (int i = 0; i < 10; ++i) {
    Transaction txn;
    for (int k = 0; k < 5; ++k) txn.writes.push_back({.key = fmt::format("k{}", k), .value = fmt::format("{}", i)});
    REQUIRE(store.Commit(std::move(txn)).ok());
  }
  // A limit in the middle of a transaction does not split it.
  Revision next = 1;
  std::vector<Change> seen;
  while (next <= store.revision()) {
    Store::History history = store.Replay("k", "l", next, 7).value();
    REQUIRE_FALSE(history.changes.empty());
    CHECK(history.changes.size() % 5 == 0);
    CHECK(history.next == history.changes.back().kv.mod_revision + 1);
    next = history.next;
    for (Change& change : history.changes) seen.push_back(std::move(change));
  }
  CHECK(seen.size() == 50);
  const Store::History beyond = store.Replay("k", "l", next + 5, 0).value();
  CHECK(beyond.changes.empty());
  CHECK(beyond.next == next + 5);
}

void SlowWatchersAreTold(StoreHarness& harness) {
  Store& store = harness.store();
  StoreWatcher slow(store, "a", kNoEnd, 2, 5);
  StoreWatcher other(store, "a", kNoEnd, 2);
  for (int i = 0; i < 10; ++i) Put(store, "k", "v");
  slow.Poll();
  CHECK(slow.lost());
  CHECK(other.Poll().size() == 10);
  StoreWatcher resumed(store, "a", kNoEnd, slow.next());
  CHECK(slow.Poll().size() + resumed.Poll().size() == 10);
}

// --- Compaction -------------------------------------------------------------------------------------------------

void CompactionKeepsWhatCanBeRead(StoreHarness& harness) {
  Store& store = harness.store();
  Put(store, "a", "1");  // 2
  Put(store, "b", "1");  // 3
  Put(store, "a", "2");  // 4
  Delete(store, "b");    // 5
  Put(store, "c", "1");  // 6
  Put(store, "a", "3");  // 7
  CHECK(store.Compact(8).code() == Code::kBadRequest);
  CHECK(store.Compact(5).ok());
  CHECK(store.Compact(4).code() == Code::kExpired);
  CHECK(store.Compact(5).ok());
  CHECK(store.status().compact_revision == 5);
  CHECK(store.Get("a", 4).status().code() == Code::kExpired);
  CHECK(store.Get("a", 5).value()->value == "2");
  CHECK_FALSE(store.Get("b", 5).value());
  CHECK(store.Get("a").value()->value == "3");
  CHECK(store.Get("a").value()->create_revision == 2);
  CHECK(store.Replay("a", kNoEnd, 5, 0).status().code() == Code::kExpired);
  CHECK(Lines(store.Replay("a", kNoEnd, 6, 0).value().changes) ==
        std::vector<std::string>{"6 put c=1 new", "7 put a=3"});

  REQUIRE(store.Compact(7).ok());
  harness.Settle([] { return false; });
  CHECK(store.Get("a").value()->version == 3);
  CHECK(store.Get("c", 7).value()->value == "1");
  CHECK(store.Replay("a", kNoEnd, 8, 0).value().next == 8);
  if (!harness.Reopen()) return;
  Store& reopened = harness.store();
  CHECK(reopened.revision() == 7);
  CHECK(reopened.status().compact_revision == 7);
  CHECK(reopened.Get("a", 6).status().code() == Code::kExpired);
  CHECK(reopened.Get("a", 7).value()->value == "3");
  CHECK(Put(reopened, "b", "2") == 8);
  CHECK(reopened.Get("b").value()->version == 1);
}

// --- Leases -----------------------------------------------------------------------------------------------------

void LeasesEndAndTakeTheirKeys(StoreHarness& harness) {
  Store& store = harness.store();
  const LeaseId lease = store.GrantLease(seconds(10)).value();
  const LeaseId longer = store.GrantLease(seconds(100)).value();
  CHECK(lease != longer);
  Put(store, "mine", "1", lease);
  Put(store, "moved", "1", lease);
  Put(store, "moved", "2", longer);
  Put(store, "freed", "1", lease);
  Put(store, "freed", "2");
  Put(store, "deleted", "1", lease);
  Delete(store, "deleted");
  CHECK(store.Get("mine").value()->lease == lease);
  const Revision before = store.revision();
  StoreWatcher watcher(store, "a", kNoEnd, before + 1);

  harness.Advance(seconds(9));
  CHECK(store.Get("mine").value());
  CHECK(store.KeepAlive(lease).ok());
  harness.Advance(seconds(9));
  CHECK(store.Get("mine").value());
  harness.Advance(seconds(2));
  REQUIRE(harness.Settle([&] { return !store.Get("mine").value(); }));
  CHECK(store.Get("moved").value()->value == "2");
  CHECK(store.Get("freed").value()->value == "2");
  CHECK(store.KeepAlive(lease).code() == Code::kNotFound);
  CHECK(store.RevokeLease(lease).code() == Code::kNotFound);
  CHECK(Lines(watcher.Poll()) == std::vector<std::string>{fmt::format("{} delete mine", before + 1)});

  CHECK(store.RevokeLease(longer).ok());
  CHECK_FALSE(store.Get("moved").value());
  Transaction txn;
  txn.writes.push_back({.key = "k", .value = "v", .lease = longer});
  CHECK(store.Commit(std::move(txn)).status().code() == Code::kNotFound);
  CHECK(store.GrantLease(seconds(0)).status().code() == Code::kBadRequest);
  CHECK(store.GrantLease(Duration::max()).ok());
}

// What comes back on a strand is what the waiting form gives.
void ReadsOnAStrand(StoreHarness& harness) {
  Store& store = harness.store();
  const std::unique_ptr<Strand> strand = harness.env().NewStrand("reader");
  Put(store, "a", "1");
  const Revision then = Put(store, "b", "1");
  Put(store, "a", "2");

  std::optional<Result<RangeResult>> range;
  store.Range("a", {.end = kNoEnd, .revision = then}, *strand,
              [&](Result<RangeResult> got) { range = std::move(got); });
  std::optional<Result<std::optional<KeyValue>>> newest;
  store.Get("a", 0, *strand, [&](Result<std::optional<KeyValue>> got) { newest = std::move(got); });
  std::optional<Result<std::optional<KeyValue>>> absent;
  store.Get("none", 0, *strand, [&](Result<std::optional<KeyValue>> got) { absent = std::move(got); });
  std::optional<Result<RangeResult>> refused;
  store.Range("a", {.revision = 99}, *strand, [&](Result<RangeResult> got) { refused = std::move(got); });
  std::optional<Result<Store::History>> history;
  store.Replay("a", "b", 1, 0, *strand, [&](Result<Store::History> got) { history = std::move(got); });
  CHECK_FALSE(range);  // never before the call returns
  REQUIRE(harness.Settle([&] { return range && newest && absent && refused && history; }));
  REQUIRE(range->value().kvs.size() == 2);
  CHECK(range->value().kvs[0].value == "1");
  CHECK(newest->value()->value == "2");
  CHECK_FALSE(absent->value());
  CHECK(refused->status().code() == Code::kBadRequest);
  CHECK(Lines(history->value().changes).size() == 2);

  // A strand that goes takes its callbacks along.
  auto gone = harness.env().NewStrand("gone");
  auto held = std::make_shared<int>();
  store.Get("a", 0, *gone, [held](const Result<std::optional<KeyValue>>&) { FAIL("nobody is there any more"); });
  gone.reset();
  CHECK(harness.Settle([&] { return held.use_count() == 1; }));
}

void LeasesOnAStrand(StoreHarness& harness) {
  Store& store = harness.store();
  const std::unique_ptr<Strand> strand = harness.env().NewStrand("leases");
  std::optional<Result<LeaseId>> lease;
  store.GrantLease(seconds(10), *strand, [&](Result<LeaseId> got) { lease = std::move(got); });
  std::optional<Result<LeaseId>> refused;
  store.GrantLease(seconds(0), *strand, [&](Result<LeaseId> got) { refused = std::move(got); });
  REQUIRE(harness.Settle([&] { return lease && refused; }));
  CHECK(refused->status().code() == Code::kBadRequest);
  Put(store, "mine", "1", lease->value());
  std::vector<Code> codes;
  const auto note = [&codes](const Status& status) { codes.push_back(status.code()); };
  store.KeepAlive(lease->value(), *strand, note);
  REQUIRE(harness.Settle([&] { return codes.size() == 1; }));
  store.RevokeLease(lease->value(), *strand, note);
  REQUIRE(harness.Settle([&] { return codes.size() == 2; }));
  CHECK_FALSE(store.Get("mine").value());
  store.KeepAlive(lease->value(), *strand, note);
  store.RevokeLease(lease->value(), *strand, note);
  REQUIRE(harness.Settle([&] { return codes.size() == 4; }));
  CHECK(codes == std::vector<Code>{Code::kOk, Code::kOk, Code::kNotFound, Code::kNotFound});
}

void LeasesWithManyKeysEnd(StoreHarness& harness) {
  Store& store = harness.store();
  const LeaseId lease = store.GrantLease(seconds(10)).value();
  for (int i = 0; i < 3; ++i) {
    Transaction txn;
    for (int k = 0; k < 1000; ++k)
      txn.writes.push_back({.key = fmt::format("k{}/{}", i, k), .value = "", .lease = lease});
    REQUIRE(store.Commit(std::move(txn)).ok());
  }
  harness.Advance(seconds(11));
  RangeOptions all;
  all.end = kNoEnd;
  all.count_only = true;
  REQUIRE(harness.Settle([&] { return store.Range("k", all).value().count == 0; }));
  CHECK(store.KeepAlive(lease).code() == Code::kNotFound);
}

void LeasesSurviveAReopen(StoreHarness& harness) {
  const LeaseId lease = harness.store().GrantLease(seconds(10)).value();
  const LeaseId revoked = harness.store().GrantLease(seconds(10)).value();
  Put(harness.store(), "mine", "1", lease);
  CHECK(harness.store().RevokeLease(revoked).ok());
  harness.Advance(seconds(9));
  if (!harness.Reopen()) return;
  CHECK(harness.store().KeepAlive(revoked).code() == Code::kNotFound);
  harness.Advance(seconds(9));  // counted anew
  CHECK(harness.store().Get("mine").value());
  harness.Advance(seconds(2));
  REQUIRE(harness.Settle([&] { return !harness.store().Get("mine").value(); }));
  if (!harness.Reopen()) return;
  CHECK_FALSE(harness.store().Get("mine").value());
  CHECK(harness.store().KeepAlive(lease).code() == Code::kNotFound);
}

// --- Limits and ends --------------------------------------------------------------------------------------------

void AFullQueueRefuses(StoreHarness& harness) {
  StoreOptions options;
  options.max_queue = 2;
  harness.OpenAnew(options);
  Store& store = harness.store();
  std::vector<Result<CommitResult>> results;
  for (int i = 0; i < 3; ++i) {
    Transaction txn;
    txn.writes.push_back({.key = "k", .value = "v"});
    store.Commit(std::move(txn), [&](Result<CommitResult> result) { results.push_back(std::move(result)); });
  }
  REQUIRE(results.size() == 1);
  CHECK(results[0].status().code() == Code::kTooManyRequests);
  REQUIRE(harness.Settle([&] { return results.size() == 3; }));
  CHECK(results[2]->revision == 3);

  options = StoreOptions();
  options.max_queue_bytes = 100;
  harness.OpenAnew(options);
  Transaction txn;
  txn.writes.push_back({.key = "k", .value = std::string(100, 'v')});
  CHECK(harness.store().Commit(std::move(txn)).status().code() == Code::kTooManyRequests);
}

void StopFinishesWhatWasQueued(StoreHarness& harness) {
  Store& store = harness.store();
  std::vector<Result<CommitResult>> results;
  const auto put = [&](std::string key) {
    Transaction txn;
    txn.writes.push_back({.key = std::move(key), .value = "v"});
    store.Commit(std::move(txn), [&](Result<CommitResult> result) { results.push_back(std::move(result)); });
  };
  put("a");
  put("b");
  store.Stop();
  REQUIRE(results.size() == 2);
  CHECK(results[1]->revision == 3);
  put("c");
  REQUIRE(results.size() == 3);
  CHECK(results[2].status().code() == Code::kUnavailable);
  CHECK(store.Compact(2).code() == Code::kUnavailable);
  CHECK(store.Get("b").value()->value == "v");
  store.Stop();
}

// --- The whole --------------------------------------------------------------------------------------------------

void ReopenIsTheSameState(StoreHarness& harness) {
  RandomHistory(harness.store(), Catch::rngSeed(), 400, 0);
  const std::vector<std::string> before = Dump(harness.store());
  CHECK(before.size() > 100);
  if (!harness.Reopen()) return;
  CHECK(Dump(harness.store()) == before);
  const Revision revision = harness.store().revision();
  CHECK(Put(harness.store(), "k", "v") == revision + 1);
}

// Everything at once against a model that is too simple to be wrong.
void RandomHistoriesMatchTheModel(StoreHarness& harness) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    CAPTURE(seed + Catch::rngSeed());
    harness.OpenAnew(StoreOptions());
    std::mt19937 random(seed + Catch::rngSeed());
    Model model;
    for (int round = 0; round < 8; ++round) {
      for (int i = 0; i < 60; ++i) model.Step(harness.store(), random);
      model.Check(harness.store());
      if (round % 3 == 1) {
        model.Compact(harness.store(), random);
        if (round % 2 == 0) harness.Settle([] { return false; });
        model.Check(harness.store());
      }
      if (round % 2 == 1 && harness.Reopen()) model.Check(harness.store());
    }
  }
}

constexpr StoreCase kSequential[] = {
    {"revisions count transactions", RevisionsCountTransactions},
    {"compare and set", CompareAndSet},
    {"versions of a key", VersionsOfAKey},
    {"malformed transactions are refused", MalformedTransactionsAreRefused},
    {"queued transactions are serial", QueuedTransactionsAreSerial},
    {"companions travel with their writes", CompanionsTravelWithTheirWrites},
    {"ranges are ordered and bounded", RangesAreOrderedAndBounded},
    {"range limits and counts", RangeLimitsAndCounts},
    {"past revisions stay readable", PastRevisionsStayReadable},
    {"reads on a strand", ReadsOnAStrand},
    {"watch is resumable", WatchIsResumable},
    {"watch is atomic", WatchIsAtomic},
    {"slow watchers are told", SlowWatchersAreTold},
    {"compaction keeps what can be read", CompactionKeepsWhatCanBeRead},
    {"leases end and take their keys", LeasesEndAndTakeTheirKeys},
    {"leases on a strand", LeasesOnAStrand},
    {"leases with many keys end", LeasesWithManyKeysEnd},
    {"leases survive a reopen", LeasesSurviveAReopen},
    {"a full queue refuses", AFullQueueRefuses},
    {"stop finishes what was queued", StopFinishesWhatWasQueued},
    {"reopen is the same state", ReopenIsTheSameState},
    {"random histories match the model", RandomHistoriesMatchTheModel},
};

}  // namespace

std::span<const StoreCase> SequentialStoreCases() { return kSequential; }

}  // namespace minikube::test
