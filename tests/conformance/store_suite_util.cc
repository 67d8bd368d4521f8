#include "conformance/store_suite_util.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <catch2/catch.hpp>

namespace minikube::test {
namespace {

const std::string kNoEnd(1, '\0');

std::string Describe(const KeyValue& kv) {
  return fmt::format("{}={} created {} modified {} version {} lease {}", kv.key, kv.value, kv.create_revision,
                     kv.mod_revision, kv.version, kv.lease);
}

std::vector<KeyValue> All(Store& store, Revision revision) {
  RangeOptions options;
  options.end = kNoEnd;
  options.revision = revision;
  return store.Range("", options).value().kvs;
}

Revision CommitOne(Store& store, Write write) {
  Transaction txn;
  txn.writes.push_back(std::move(write));
  const Result<CommitResult> result = store.Commit(std::move(txn));
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  REQUIRE(result->succeeded);
  return result->revision;
}

}  // namespace

Revision Put(Store& store, std::string key, std::string value, LeaseId lease) {
  return CommitOne(store, {.key = std::move(key), .value = std::move(value), .lease = lease});
}

Revision Delete(Store& store, std::string key) { return CommitOne(store, {.key = std::move(key)}); }

std::string Line(const Change& change) {
  if (change.type == Change::Type::kDelete) return fmt::format("{} delete {}", change.kv.mod_revision, change.kv.key);
  return fmt::format("{} put {}={}{}", change.kv.mod_revision, change.kv.key, change.kv.value,
                     change.created ? " new" : "");
}

std::vector<std::string> Lines(const std::vector<Change>& changes) {
  std::vector<std::string> out;
  for (const Change& change : changes) out.push_back(Line(change));
  return out;
}

std::vector<std::string> Changes(Store& store, Revision start) {
  return Lines(store.Replay("", kNoEnd, start, 0).value().changes);
}

std::vector<std::string> Dump(Store& store) {
  const StoreStatus status = store.status();
  std::vector<std::string> out = {fmt::format("revision {} compacted {}", status.revision, status.compact_revision)};
  for (Revision at = std::max<Revision>(1, status.compact_revision); at <= status.revision; ++at) {
    for (const KeyValue& kv : All(store, at)) out.push_back(fmt::format("{}: {}", at, Describe(kv)));
  }
  for (std::string& line : Changes(store, status.compact_revision + 1)) out.push_back(std::move(line));
  return out;
}

void RandomHistory(Store& store, unsigned seed, int steps, int compact_every) {
  std::mt19937 random(seed);
  for (int i = 0; i < steps; ++i) {
    Transaction txn;
    std::map<std::string, std::optional<std::string>> writes;
    for (unsigned w = 0; w <= random() % 3; ++w) {
      std::string key = fmt::format("k{}", random() % 7);
      writes[std::move(key)] = random() % 4 == 0 ? std::nullopt : std::optional(fmt::format("v{}", i));
    }
    for (auto& [key, value] : writes) txn.writes.push_back({.key = key, .value = std::move(value)});
    REQUIRE(store.Commit(std::move(txn)).ok());
    if (compact_every != 0 && random() % static_cast<unsigned>(compact_every) == 0) {
      const StoreStatus status = store.status();
      REQUIRE(store.Compact((status.compact_revision + status.revision) / 2).ok());
    }
  }
}

void Model::Step(Store& store, std::mt19937& random) {
  const State& now = states_.back();
  const auto random_key = [&] { return fmt::format("{}{}", std::string(random() % 3, 'k'), char('a' + random() % 6)); };
  Transaction txn;
  bool holds = true;
  for (unsigned c = 0; c < random() % 3; ++c) {
    Compare compare{random_key(), 0};
    const auto it = now.find(compare.key);
    const Revision actual = it == now.end() ? 0 : it->second.mod_revision;
    compare.mod_revision = random() % 4 == 0 ? static_cast<Revision>(random() % states_.size()) : actual;
    holds = holds && compare.mod_revision == actual;
    txn.compares.push_back(std::move(compare));
  }
  std::map<std::string, std::optional<std::string>> writes;
  for (unsigned w = 0; w < random() % 4; ++w) {
    std::string key = random_key();
    writes[std::move(key)] = random() % 3 == 0 ? std::nullopt : std::optional(std::string(random() % 200, 'v'));
  }
  State next = now;
  const auto revision = static_cast<Revision>(states_.size());
  std::vector<std::string> lines;
  for (const auto& [key, value] : writes) {
    txn.writes.push_back({.key = key, .value = value});
    Change change;
    change.kv.key = key;
    change.kv.mod_revision = revision;
    const auto it = next.find(key);
    if (!value) {
      if (it == next.end()) continue;
      next.erase(it);
      change.type = Change::Type::kDelete;
    } else {
      change.created = it == next.end();
      change.kv.value = *value;
      change.kv.create_revision = change.created ? revision : it->second.create_revision;
      change.kv.version = change.created ? 1 : it->second.version + 1;
      next[key] = change.kv;
    }
    lines.push_back(Line(change));
  }
  const CommitResult result = store.Commit(std::move(txn)).value();
  REQUIRE(result.succeeded == holds);
  if (holds && !lines.empty()) {
    states_.push_back(std::move(next));
    changes_.insert(changes_.end(), lines.begin(), lines.end());
  }
  REQUIRE(result.revision == static_cast<Revision>(states_.size()) - 1);
}

void Model::Compact(Store& store, std::mt19937& random) {
  const auto revision = static_cast<Revision>(states_.size()) - 1;
  compacted_ += static_cast<Revision>(random() % static_cast<unsigned>(revision - compacted_ + 1));
  REQUIRE(store.Compact(compacted_).ok());
}

void Model::Check(Store& store) const {
  const auto revision = static_cast<Revision>(states_.size()) - 1;
  REQUIRE(store.revision() == revision);
  REQUIRE(store.status().compact_revision == compacted_);
  for (Revision at = std::max<Revision>(compacted_, 1); at <= revision; ++at) {
    std::vector<std::string> expected, actual;
    for (const auto& [key, kv] : states_[static_cast<std::size_t>(at)]) expected.push_back(Describe(kv));
    for (const KeyValue& kv : All(store, at)) actual.push_back(Describe(kv));
    REQUIRE(actual == expected);
  }
  std::vector<std::string> expected;
  for (const std::string& line : changes_) {
    if (std::stoll(line) > compacted_) expected.push_back(line);
  }
  // In pieces, as a slow reader would; no piece splits a transaction.
  std::vector<std::string> actual;
  for (Revision next = compacted_ + 1; next <= revision;) {
    const Store::History history = store.Replay("", kNoEnd, next, 10).value();
    REQUIRE(history.next > next);
    next = history.next;
    for (const std::string& line : Lines(history.changes)) actual.push_back(line);
  }
  // A transaction's changes have one revision, and no order among themselves.
  std::sort(expected.begin(), expected.end());
  std::sort(actual.begin(), actual.end());
  REQUIRE(actual == expected);
  if (compacted_ > 1) CHECK(store.Get("a", compacted_ - 1).status().code() == Code::kExpired);
}

}  // namespace minikube::test
