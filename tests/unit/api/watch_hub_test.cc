// How changes reach watchers: what each is told, when, and what that costs. In one thread, so that what the committer
// does and what others do afterwards can be told apart.
#include "api/world/watch_hub.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/core/v1.h>
#include <minikube/simulated_env.h>

#include "built_in_catalogue.h"

namespace minikube::api {
namespace {

using namespace std::chrono_literals;

const StoredKind& Pods() { return testing::BuiltInCatalogue().Get("", "pods"); }
const StoredKind& Nodes() { return testing::BuiltInCatalogue().Get("", "nodes"); }

ObjectRef Pod(std::string_view name, Revision revision, std::string_view node = "", std::string_view ns = "default") {
  core::v1::Pod pod;
  pod.metadata.namespace_ = ns;
  pod.metadata.name = name;
  pod.metadata.labels["app"] = "web";
  pod.metadata.resourceVersion = std::to_string(revision);
  pod.spec.nodeName = node;
  return Share(std::move(pod));
}

// A watch whose owner takes what there is when it is told to.
struct Watch {
  // As "a/7" for the change at revision 7 of the object a, "^7" for a bookmark.
  std::vector<std::string> Take() {
    std::vector<std::string> spelled;
    for (WatchItem& item : watcher->Take(end)) {
      spelled.push_back(item.change == nullptr
                            ? fmt::format("^{}", item.revision)
                            : fmt::format("{}/{}", item.change->object()->meta().name.view(), item.revision));
      if (item.change != nullptr) events.push_back(item.change);
    }
    return spelled;
  }
  std::shared_ptr<Watcher> watcher;
  Revision covered = 0;
  std::vector<std::shared_ptr<const ChangeEvent>> backlog;
  std::vector<std::shared_ptr<const ChangeEvent>> events;
  std::vector<MonoTime> woken;
  Status end;
};

struct HubFixture {
  explicit HubFixture(WatchLimits limits = {}) : hub(limits, env) { hub.Start(10); }
  ~HubFixture() {
    for (const auto& watch : watches) WatchHub::Detach(watch->watcher);
  }
  struct Wants {
    Revision since = 0;
    std::string ns = {};
    std::string labels = {};
    std::string fields = {};
    bool bookmarks = false;
  };
  Watch& Attach(const Wants& wants) {
    ApiRequest request;
    request.resource = Pods().resource;
    request.ns = wants.ns;
    request.label_selector = wants.labels;
    request.field_selector = wants.fields;
    auto watch = std::make_unique<Watch>();
    WatchBegin begin =
        hub.Attach(Pods(), *Pods().message, Selection::Of(Pods(), request).value(), wants.since, wants.bookmarks,
                   [this, at = watch.get()] { at->woken.push_back(env.clock().MonoNow()); })
            .value();
    watch->watcher = begin.watcher;
    watch->covered = begin.covered;
    watch->backlog = begin.backlog;
    watches.push_back(std::move(watch));
    return *watches.back();
  }
  // Commits changes of pods, one revision each, as one batch.
  void Publish(std::vector<ObjectRef> pods) {
    std::vector<KindChange> changes;
    for (ObjectRef& pod : pods) changes.push_back({&Pods(), {std::move(pod), nullptr, false, ++revision}});
    hub.Publish(std::move(changes), revision);
  }
  void Publish(std::string_view name) { Publish({Pod(name, revision + 1)}); }

  SimulatedEnv env;
  WatchHub hub;
  Revision revision = 10;
  std::vector<std::unique_ptr<Watch>> watches;
};

using Told = std::vector<std::string>;

TEST_CASE_METHOD(HubFixture, "the committer only publishes: what watchers want is found out elsewhere") {
  for (int i = 0; i < 50; ++i) {
    Attach({.since = 10});
    Attach({.since = 10, .labels = "app=web"});
    Attach({.since = 10, .fields = fmt::format("spec.nodeName=node-{}", i)});
  }
  const auto woken = [&] {
    return std::count_if(watches.begin(), watches.end(), [](const auto& watch) { return !watch->woken.empty(); });
  };
  Publish({Pod("a", 11, "node-7"), Pod("b", 12)});
  const WatchCounters& counters = hub.counters();
  CHECK(hub.revision() == 12);
  CHECK(counters.changes == 0);
  CHECK(counters.evaluations == 0);
  CHECK(counters.items == 0);
  CHECK(woken() == 0);

  env.RunReady();
  CHECK(woken() == 101);
  CHECK(counters.wakes == 101);
  CHECK(counters.steps == 1);
  CHECK(counters.changes == 2);
}

TEST_CASE_METHOD(HubFixture, "what a selection sees of a change is found out once for all who watch it") {
  for (int i = 0; i < 1000; ++i) Attach({.since = 10, .labels = "app=web"});
  for (int i = 0; i < 1000; ++i) Attach({.since = 10, .fields = fmt::format("metadata.name=pod-{}", i)});
  for (int i = 0; i < 1000; ++i) Attach({.since = 10, .fields = fmt::format("spec.nodeName=node-{}", i)});
  for (int i = 0; i < 1000; ++i) Attach({.since = 10, .ns = fmt::format("ns-{}", i)});
  Publish({Pod("pod-3", 11, "node-5", "ns-8")});
  env.RunReady();
  // By label, by name, by node, by namespace.
  CHECK(hub.counters().evaluations == 4);
  CHECK(hub.counters().items == 4);
  CHECK(hub.counters().wakes == 1003);
  std::set<const ChangeEvent*> events;
  for (const auto& watch : watches) {
    watch->Take();
    for (const auto& event : watch->events) events.insert(event.get());
  }
  CHECK(events.size() == 1);
}

TEST_CASE_METHOD(HubFixture, "a watch is never told what it began with") {
  // The World is newer than what was published, for it is set first.
  Watch& newest = Attach({.since = 12});
  Watch& older = Attach({.since = 10});
  Publish("a");
  Publish("b");
  CHECK(newest.covered == 12);
  env.RunReady();
  CHECK(newest.woken.empty());
  CHECK(newest.Take().empty());
  CHECK(older.Take() == Told{"a/11", "b/12"});
  // It begins between what was published and what was looked at.
  Publish("c");
  Watch& between = Attach({.since = 12});
  REQUIRE(between.backlog.size() == 1);
  CHECK(between.backlog[0]->revision() == 13);
  Publish("d");
  env.RunReady();
  CHECK(between.Take() == Told{"d/14"});
  CHECK(newest.Take() == Told{"c/13", "d/14"});
  CHECK(older.Take() == Told{"c/13", "d/14"});
}

TEST_CASE_METHOD(HubFixture, "whenever a watch begins, it misses nothing and is told nothing twice") {
  std::mt19937_64 random(GENERATE(range(0, 20)));
  std::map<Watch*, Told> told;
  std::map<Watch*, Revision> since;
  const auto take = [&](Watch& watch) {
    for (std::string& item : watch.Take()) told[&watch].push_back(std::move(item));
  };
  for (int step = 0; step < 400; ++step) {
    switch (random() % 6) {
      case 0: {
        // The World may be ahead of what was published.
        const Revision from = 10 + static_cast<Revision>(random() % static_cast<std::uint64_t>(revision - 10 + 3));
        Watch& watch = Attach({.since = from});
        since[&watch] = from;
        for (const auto& event : watch.backlog) {
          told[&watch].push_back(fmt::format("{}/{}", event->object()->meta().name.view(), event->revision()));
        }
        break;
      }
      case 1:
        env.RunReady();
        break;
      case 2:
        if (!watches.empty()) take(*watches[random() % watches.size()]);
        break;
      default: {
        std::vector<ObjectRef> pods;
        for (std::uint64_t i = 0; i <= random() % 4; ++i) {
          pods.push_back(Pod("p", revision + static_cast<Revision>(i) + 1));
        }
        Publish(std::move(pods));
      }
    }
  }
  env.RunReady();
  for (const auto& watch : watches) {
    take(*watch);
    Told all;
    for (Revision at = since[watch.get()] + 1; at <= revision; ++at) all.push_back(fmt::format("p/{}", at));
    CHECK(told[watch.get()] == all);
  }
}

TEST_CASE("a watcher that is too slow is ended, and nobody else notices") {
  HubFixture f({.max_queue = 100});
  Watch& slow = f.Attach({.since = 10});
  Watch& quick = f.Attach({.since = 10});
  Told told;
  for (int i = 0; i < 300; ++i) {
    f.Publish("p");
    f.env.RunReady();
    for (std::string& item : quick.Take()) told.push_back(std::move(item));
    // Exactly as many as it may leave lying.
    if (i == 99) CHECK(f.hub.counters().terminated == 0);
    if (i == 100) CHECK(f.hub.counters().terminated == 1);
  }
  CHECK(told.size() == 300);
  CHECK(slow.Take().empty());
  CHECK(slow.end.code() == Code::kExpired);
  CHECK(quick.end.ok());
  CHECK(slow.woken.size() == 2);  // for the first, and for the end
  CHECK(f.hub.counters().terminated == 1);
}

TEST_CASE("what waits for watchers is kept once, however many they are, and no longer than they need it") {
  HubFixture f({.max_queue = 50, .ring_events = 10});
  for (int i = 0; i < 100; ++i) f.Attach({.since = 10});
  // An event that nobody has to take any more is gone, and its bytes with it.
  std::vector<std::weak_ptr<const ChangeEvent>> events;
  const auto living = [&] {
    return std::count_if(events.begin(), events.end(), [](const auto& event) { return !event.expired(); });
  };
  for (int i = 0; i < 40; ++i) {
    f.Publish("p");
    f.env.RunReady();
    f.watches[0]->Take();
    events.push_back(f.watches[0]->events.back());
    f.watches[0]->events.clear();
  }
  CHECK(living() == 40);
  for (std::size_t i = 1; i < f.watches.size(); ++i) f.watches[i]->Take();
  for (const auto& watch : f.watches) watch->events.clear();
  CHECK(living() == 0);
  // Who never takes anything holds at most what it may.
  for (int i = 0; i < 500; ++i) {
    f.Publish("p");
    f.env.RunReady();
    f.watches[0]->Take();
    events.push_back(f.watches[0]->events.back());
    f.watches[0]->events.clear();
    CHECK(living() <= 51);
  }
  CHECK(living() == 0);
}

TEST_CASE("a channel whose strand does not come to run keeps a bounded number of changes") {
  HubFixture f({.max_queue = 64, .ring_events = 16});
  Watch& watch = f.Attach({.since = 10});
  for (int i = 0; i < 1000; ++i) f.Publish("p");
  f.env.RunReady();
  watch.Take();
  CHECK(watch.end.code() == Code::kExpired);
  CHECK(f.hub.counters().changes == 64);
  // Later ones begin where they say, or learn that it is too long ago.
  CHECK(f.Attach({.since = 20}).covered > 20);
  Watch& next = f.Attach({.since = f.revision});
  f.Publish("q");
  f.env.RunReady();
  CHECK(next.Take() == Told{fmt::format("q/{}", f.revision)});
}

TEST_CASE_METHOD(HubFixture, "bookmarks: for those who asked, one by one, at most a minute apart") {
  std::vector<Watch*> asked;
  for (int i = 0; i < 120; ++i) asked.push_back(&Attach({.since = 10, .bookmarks = true}));
  Watch& other = Attach({.since = 10});
  std::map<std::int64_t, int> by_second;
  for (int minute = 0; minute < 3; ++minute) {
    const MonoTime begin = env.clock().MonoNow();
    env.RunFor(60s);
    for (Watch* watch : asked) {
      REQUIRE(watch->woken.size() == 1);
      ++by_second[std::chrono::duration_cast<std::chrono::seconds>(watch->woken[0] - begin).count() + minute * 60];
      watch->woken.clear();
      CHECK(watch->Take() == Told{"^10"});
    }
  }
  for (const auto& [second, count] : by_second) CHECK(count <= 5);
  CHECK(other.woken.empty());
  CHECK(other.Take().empty());
}

TEST_CASE_METHOD(HubFixture, "a bookmark never overtakes a change, and never goes back") {
  std::mt19937_64 random(GENERATE(range(0, 20)));
  std::vector<Watch*> asked;
  for (int i = 0; i < 10; ++i) asked.push_back(&Attach({.since = 10, .bookmarks = true}));
  std::map<Watch*, Revision> seen;     // the newest revision of a change
  std::map<Watch*, Revision> reached;  // of anything
  std::map<Watch*, int> bookmarks;
  for (int step = 0; step < 3000; ++step) {
    switch (random() % 4) {
      case 0:
        env.RunFor(std::chrono::milliseconds(random() % 20'000));
        break;
      case 1:
        Publish("p");
        break;
      case 2: {
        // Of another kind: the revision moves on without this one.
        ++revision;
        hub.Publish({{&Nodes(), {Pod("n", revision), nullptr, false, revision}}}, revision);
        break;
      }
      default:
        Watch* watch = asked[random() % asked.size()];
        for (const WatchItem& item : watch->watcher->Take(watch->end)) {
          CHECK(item.revision >= reached[watch]);
          CHECK(item.revision <= revision);
          if (item.change != nullptr) {
            CHECK(item.revision > reached[watch]);
          } else {
            ++bookmarks[watch];
          }
          reached[watch] = item.revision;
        }
    }
  }
  for (Watch* watch : asked) CHECK(bookmarks[watch] > 0);
}

TEST_CASE_METHOD(HubFixture, "who has seen a state elsewhere is not woken for what it shows") {
  Watch& watch = Attach({.since = 10});
  Publish("a");
  Publish("b");
  Status end;
  watch.watcher->Skip(12, end);
  env.RunReady();
  CHECK(watch.woken.empty());
  Publish("c");
  env.RunReady();
  CHECK(watch.woken.size() == 1);
  watch.watcher->Skip(0, end);
  Publish("d");
  env.RunReady();
  CHECK(watch.woken.size() == 2);
}

TEST_CASE_METHOD(HubFixture, "a kind that goes takes its watches with it, after they have been told its last changes") {
  Watch& watch = Attach({.since = 10});
  Publish("last");
  hub.Retire(Pods());
  CHECK(watch.Take().empty());
  CHECK(watch.end.ok());
  env.RunReady();
  CHECK(watch.Take() == Told{"last/11"});
  CHECK(watch.end.code() == Code::kExpired);
}

TEST_CASE_METHOD(HubFixture, "stopping ends all watches, after they have been told everything, and refuses others") {
  Watch& watch = Attach({.since = 10});
  Publish("last");
  hub.Stop(Status(Code::kUnavailable, "stopping"));
  CHECK(watch.Take() == Told{"last/11"});
  CHECK(watch.end.code() == Code::kUnavailable);
  CHECK(hub.Attach(Pods(), *Pods().message, {}, 11, false, [] {}).status().code() == Code::kUnavailable);
  CHECK(hub.Attach(Nodes(), *Nodes().message, {}, 11, false, [] {}).status().code() == Code::kUnavailable);
}

TEST_CASE_METHOD(HubFixture, "a kind that nobody watches costs nothing but the place of its changes") {
  Publish("a");
  CHECK(env.strands() == 0);
  Watch& watch = Attach({.since = 10});
  CHECK(env.strands() == 1);
  WatchHub::Detach(watch.watcher);
  CHECK(hub.watchers() == 0);
  Publish("b");
  env.RunReady();
  CHECK(hub.counters().changes == 0);
  watches.clear();
}

}  // namespace
}  // namespace minikube::api
