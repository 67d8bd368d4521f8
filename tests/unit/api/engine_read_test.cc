// Reading through the engine: get, list, pages, selectors, watches.
#include <atomic>
#include <thread>

#include <minikube/api/batch/v1.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

using core::v1::Pod;

void Make(Fixture& f, std::initializer_list<const char*> names) {
  for (const char* name : names) (void)f.client->Create(MakePod(name)).value();
}

std::vector<std::string> Names(const ApiResponse& response) {
  std::vector<std::string> names;
  for (const ObjectRef& item : response.items) names.push_back(item->meta().name.str());
  return names;
}

TEST_CASE("list: in key order, by namespace, labels and fields") {
  Fixture f;
  core::v1::Namespace ns;
  ns.metadata.name = "def";  // a prefix of "default"
  (void)f.client->Create(ns).value();
  (void)f.client->Create(MakePod("z", "def")).value();
  Pod labelled = MakePod("b");
  labelled.metadata.labels["app"] = "web";
  labelled.spec.nodeName = "n1";
  (void)f.client->Create(labelled).value();
  Make(f, {"c", "a"});

  ApiRequest request = Request<Pod>(Verb::kList, "", "");
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"z", "a", "b", "c"});
  request.ns = "default";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"a", "b", "c"});
  request.label_selector = "app in (web, api)";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"b"});
  request.label_selector = "";
  request.field_selector = "spec.nodeName=";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"a", "c"});
  request.field_selector = "spec.nodeName=n1,status.phase=Pending";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"b"});
  request.field_selector = "spec.dnsPolicy=ClusterFirst";
  const Status status = f.client->DoSync(request).status();
  CHECK(status.code() == Code::kBadRequest);
  CHECK(status.message() == "field label not supported: spec.dnsPolicy");
}

TEST_CASE("list: events are selected by who reported them, in the words of either group") {
  Fixture f;
  const auto make = [&](std::string_view name, std::string_view source, std::string_view reporter) {
    core::v1::Event event;
    event.metadata.name = name;
    event.metadata.namespace_ = "default";
    event.involvedObject.namespace_ = "default";
    event.involvedObject.name = name;
    event.source.component = source;
    event.reportingComponent = reporter;
    (void)f.client->Create(event).value();
  };
  make("a", "kubelet", "");
  make("b", "", "kubelet");
  make("c", "scheduler", "kubelet");
  ApiRequest request = Request<core::v1::Event>(Verb::kList, "default", "");
  const auto selected = [&](std::string_view selector) {
    request.field_selector = std::string(selector);
    return Names(f.client->DoSync(request).value());
  };
  using Found = std::vector<std::string>;
  CHECK(selected("source=kubelet") == Found{"a", "b"});
  CHECK(selected("source!=kubelet") == Found{"c"});
  CHECK(selected("reportingComponent=kubelet") == Found{"b", "c"});
  CHECK(selected("involvedObject.name=c") == Found{"c"});
  request.field_selector = "regarding.name=c";
  CHECK(f.client->DoSync(request).status().message() == "field label not supported: regarding.name");

  request.resource = FindResource("events.k8s.io", "v1", "events");
  CHECK(selected("regarding.name=c") == Found{"c"});
  CHECK(selected("reportingController=kubelet") == Found{"b", "c"});
  request.field_selector = "involvedObject.name=c";
  CHECK(f.client->DoSync(request).status().message() == "field label not supported: involvedObject.name");
}

TEST_CASE("list: jobs are selected by their successes") {
  Fixture f;
  batch::v1::Job job;
  job.metadata.name = "sum";
  job.metadata.namespace_ = "default";
  job.spec.template_.spec = MakePod("x").spec;
  job.spec.template_.spec.restartPolicy = "Never";
  job = f.client->Create(job).value();
  ApiRequest request = Request<batch::v1::Job>(Verb::kList, "default", "");
  request.field_selector = "status.successful=0";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"sum"});
  request.field_selector = "status.successful=1";
  CHECK(Names(f.client->DoSync(request).value()).empty());
}

TEST_CASE("list and watch: options that do not go together are invalid") {
  Fixture f;
  struct Row {
    Verb verb;
    std::string version;
    std::string match;
    bool initial;
    std::string why;
  };
  const Row rows[] = {
      {Verb::kList, "", "Exact", false,
       "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"},
      {Verb::kList, "1", "Newest", false,
       "resourceVersionMatch: Unsupported value: \"Newest\": supported values: \"\", \"Exact\", \"NotOlderThan\""},
      {Verb::kList, "0", "Exact", false,
       "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
      {Verb::kList, "", "", true, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"},
      {Verb::kWatch, "1", "NotOlderThan", false,
       "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
       "provided"},
      {Verb::kWatch, "1", "", true,
       "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    ApiRequest request = Request<Pod>(row.verb, "default", "");
    request.resource_version = row.version;
    request.resource_version_match = row.match;
    request.send_initial_events = row.initial;
    Status status;
    if (row.verb == Verb::kWatch) {
      WatchLog log(*f.client, *f.strand, request);
      status = log.WaitEnd();
    } else {
      status = f.client->DoSync(request).status();
    }
    CHECK(status.code() == Code::kInvalid);
    CHECK(status.message() == "ListOptions.meta.k8s.io \"\" is invalid: " + row.why);
  }
}

TEST_CASE("list: pages come from one revision, whatever happens meanwhile") {
  Fixture f;
  Make(f, {"a", "b", "c", "d", "e"});
  ApiRequest request = Request<Pod>(Verb::kList, "default", "");
  request.limit = 2;
  ApiResponse page = f.client->DoSync(request).value();
  const std::int64_t revision = page.revision;
  CHECK(Names(page) == std::vector<std::string>{"a", "b"});
  CHECK(page.remaining == 3);

  const bool restarted = GENERATE(false, true);
  CAPTURE(restarted);
  REQUIRE(f.client->Delete<Pod>("default", "c").ok());
  Make(f, {"bb"});
  // After a restart the world of the first page is gone from memory, but not from the store's history.
  if (restarted) f.Restart();

  request.continue_token = page.continue_token;
  page = f.client->DoSync(request).value();
  CHECK(Names(page) == std::vector<std::string>{"c", "d"});
  CHECK(page.revision == revision);
  request.continue_token = page.continue_token;
  page = f.client->DoSync(request).value();
  CHECK(Names(page) == std::vector<std::string>{"e"});
  CHECK(page.continue_token.empty());
}

TEST_CASE("list: a page whose revision is gone is expired, and nonsense is refused") {
  Fixture f;
  Make(f, {"a", "b", "c"});
  ApiRequest request = Request<Pod>(Verb::kList, "default", "");
  request.limit = 1;
  request.continue_token = f.client->DoSync(request).value().continue_token;
  Make(f, {"d"});
  f.Restart();
  REQUIRE(f.store->Compact(f.store->revision()).ok());
  CHECK(f.client->DoSync(request).status().code() == Code::kExpired);
  request.continue_token = "bm9uc2Vuc2U";
  CHECK(f.client->DoSync(request).status().code() == Code::kBadRequest);
}

TEST_CASE("list: exact and minimum revisions") {
  Fixture f;
  Make(f, {"a"});
  const std::string old = std::to_string(f.engine->revision());
  Make(f, {"b"});
  ApiRequest request = Request<Pod>(Verb::kList, "default", "");
  request.resource_version = old;
  request.resource_version_match = "Exact";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"a"});
  request.resource_version_match = "NotOlderThan";
  CHECK(Names(f.client->DoSync(request).value()) == std::vector<std::string>{"a", "b"});
  request.resource_version = "999999";
  const Status future = f.client->DoSync(request).status();
  CHECK(future.code() == Code::kTimeout);
  CHECK(future.message().find("Too large resource version: 999999, current: ") != std::string::npos);
  request.resource_version = "abc";
  CHECK(f.client->DoSync(request).status().code() == Code::kBadRequest);
}

TEST_CASE("watch: every change once, in order, with its revision") {
  Fixture f;
  ApiRequest request = Request<Pod>(Verb::kWatch, "default", "");
  request.resource_version = std::to_string(f.engine->revision());
  WatchLog log(*f.client, *f.strand, request);
  Pod pod = f.client->Create(MakePod("a")).value();
  pod.metadata.labels["x"] = "y";
  pod = f.client->Update(pod).value();
  REQUIRE(f.client->Delete<Pod>("default", "a").ok());
  const std::vector<WatchEvent> events = log.Wait(3);
  REQUIRE(Spelled(events) == std::vector<std::string>{"ADDED a", "MODIFIED a", "DELETED a"});
  CHECK(events[1].object->meta().resourceVersion == pod.metadata.resourceVersion);
  CHECK(events[2].revision == f.engine->revision());
  CHECK(events[2].object->meta().resourceVersion == std::to_string(events[2].revision));
  CHECK(*events[2].object->meta().labels.Find("x") == "y");
}

TEST_CASE("watch: objects come and go as they enter and leave the selection") {
  Fixture f;
  ApiRequest request = Request<Pod>(Verb::kWatch, "", "");
  request.resource_version = std::to_string(f.engine->revision());
  request.label_selector = "app=web";
  WatchLog by_label(*f.client, *f.strand, request);
  request.label_selector = "";
  request.field_selector = "spec.nodeName=n1";
  WatchLog by_node(*f.client, *f.strand, request);
  request.field_selector = "metadata.name=b";
  WatchLog by_name(*f.client, *f.strand, request);

  Pod pod = f.client->Create(MakePod("a")).value();
  pod.metadata.labels["app"] = "web";
  pod = f.client->Update(pod).value();
  pod.metadata.labels["app"] = "other";
  const Pod left = f.client->Update(pod).value();
  Pod other = MakePod("b");
  other.spec.nodeName = "n1";
  (void)f.client->Create(other).value();

  const std::vector<WatchEvent> events = by_label.Wait(2);
  REQUIRE(Spelled(events) == std::vector<std::string>{"ADDED a", "DELETED a"});
  CHECK(*events[1].object->meta().labels.Find("app") == "web");  // what the watcher knew
  CHECK(events[1].object->meta().resourceVersion == left.metadata.resourceVersion);
  CHECK(Spelled(by_node.Wait(1)) == std::vector<std::string>{"ADDED b"});
  CHECK(Spelled(by_name.Wait(1)) == std::vector<std::string>{"ADDED b"});
}

TEST_CASE("watch: from now, from the beginning, from a revision, across a restart") {
  Fixture f;
  Make(f, {"a"});
  const std::string revision = std::to_string(f.engine->revision());
  Pod pod = f.client->Get<Pod>("default", "a").value();
  pod.metadata.labels["x"] = "y";
  (void)f.client->Update(pod).value();
  Make(f, {"b"});
  REQUIRE(f.client->Delete<Pod>("default", "a").ok());

  ApiRequest request = Request<Pod>(Verb::kWatch, "default", "");
  SECTION("no revision: what there is, as additions") {
    WatchLog log(*f.client, *f.strand, request);
    CHECK(Spelled(log.Wait(1)) == std::vector<std::string>{"ADDED b"});
  }
  SECTION("initial events end with a bookmark that says so") {
    request.send_initial_events = true;
    request.allow_bookmarks = true;
    request.resource_version_match = "NotOlderThan";
    WatchLog log(*f.client, *f.strand, request);
    const std::vector<WatchEvent> events = log.Wait(2);
    REQUIRE(Spelled(events) == std::vector<std::string>{"ADDED b", "BOOKMARK "});
    CHECK(*events[1].object->meta().annotations.Find("k8s.io/initial-events-end") == "true");
    CHECK(events[1].object->meta().resourceVersion == std::to_string(f.engine->revision()));
  }
  const std::vector<std::string> history = {"MODIFIED a", "ADDED b", "DELETED a"};
  SECTION("a revision: all that came after it") {
    request.resource_version = revision;
    WatchLog log(*f.client, *f.strand, request);
    CHECK(Spelled(log.Wait(3)) == history);
  }
  SECTION("a revision from before the restart: from the store's history, then live") {
    f.Restart();
    request.resource_version = revision;
    WatchLog log(*f.client, *f.strand, request);
    CHECK(Spelled(log.Wait(3)) == history);
    Make(f, {"c"});
    CHECK(Spelled(log.Wait(4)).back() == "ADDED c");
  }
  SECTION("a selection is judged in history as it is live") {
    f.Restart();
    request.resource_version = revision;
    request.label_selector = "x=y";
    WatchLog log(*f.client, *f.strand, request);
    CHECK(Spelled(log.Wait(2)) == std::vector<std::string>{"ADDED a", "DELETED a"});
  }
  SECTION("a revision that is gone: expired") {
    f.Restart();
    REQUIRE(f.store->Compact(f.store->revision()).ok());
    request.resource_version = revision;
    WatchLog log(*f.client, *f.strand, request);
    const Status end = log.WaitEnd();
    CHECK(end.code() == Code::kExpired);
    CHECK(end.message() == "too old resource version: " + revision + " (" + std::to_string(f.store->revision()) + ")");
  }
}

TEST_CASE("watch: who is too slow is told to list anew") {
  Fixture f;
  f.Restart(8);
  RequestContext context;
  context.user = {"admin", "", {"system:masters"}};
  context.request = Request<Pod>(Verb::kWatch, "default", "");
  context.request.resource_version = std::to_string(f.engine->revision());
  std::unique_ptr<WatchStream> stream = f.engine->Watch(std::move(context), [] {}).value();
  WatchLog other(*f.client, *f.strand, Request<Pod>(Verb::kWatch, "default", ""));
  for (int i = 0; i < 9; ++i) (void)f.client->Create(MakePod("p" + std::to_string(i))).value();
  // Who comes after it has been told of all of them.
  REQUIRE(other.Wait(9).size() == 9);
  Status end;
  CHECK(stream->Take(end).empty());
  CHECK(end.code() == Code::kExpired);
}

TEST_CASE("watch: what its beginning shows is not told again, whoever writes meanwhile") {
  Fixture f;
  using core::v1::ConfigMap;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    ConfigMap map;
    map.metadata.namespace_ = "default";
    map.metadata.name = "m";
    while (!stop) {
      (void)f.client->Create(map).value();
      (void)f.client->Delete<ConfigMap>("default", "m");
    }
  });
  RequestContext context;
  context.user = {"admin", "", {"system:masters"}};
  context.request = Request<ConfigMap>(Verb::kWatch, "default", "");
  for (int round = 0; round < 500; ++round) {
    // From what there is, or from the newest revision.
    context.request.resource_version = round % 2 == 0 ? "" : std::to_string(f.engine->revision());
    std::unique_ptr<WatchStream> stream = f.engine->Watch(context, [] {}).value();
    const Revision begin = f.engine->revision();
    Revision last = round % 2 == 0 ? 0 : std::stoll(context.request.resource_version);
    bool ordered = true;
    for (Status end; last <= begin + 2 && end.ok();) {
      for (const WatchItem& item : stream->Take(end)) {
        ordered &= item.revision > last;
        last = item.revision;
      }
    }
    CHECK(ordered);
  }
  stop = true;
  writer.join();
}

TEST_CASE("watch: a handle destroyed is a watch ended, and stopping ends all") {
  Fixture f;
  ApiRequest request = Request<Pod>(Verb::kWatch, "", "");
  auto log = std::make_unique<WatchLog>(*f.client, *f.strand, request);
  WatchLog other(*f.client, *f.strand, request);
  Make(f, {"a"});
  CHECK(log->Wait(1).size() == 1);
  log.reset();  // on the strand that its callbacks run on
  Make(f, {"b"});
  CHECK(other.Wait(2).size() == 2);
  f.engine->Stop();
  CHECK(other.WaitEnd().code() == Code::kUnavailable);
  CHECK(f.client->Create(MakePod("late")).status().code() == Code::kUnavailable);
}

TEST_CASE("a restart finds everything as it was") {
  Fixture f;
  const Pod pod = f.client->Create(MakePod("web")).value();
  f.Restart();
  CHECK(DeepEqual(f.client->Get<Pod>("default", "web").value(), pod));
}

TEST_CASE("a client that goes answers what is in flight with cancelled, once") {
  Fixture f;
  std::mutex mu;
  std::condition_variable changed;
  std::vector<Code> codes;
  std::unique_ptr<Client> mine = f.As("me", {"system:masters"});
  for (int i = 0; i < 200; ++i) {
    ApiRequest request = Client::RequestFor<Pod>(Verb::kCreate, MakePod("p" + std::to_string(i)));
    mine->Do(std::move(request), *f.strand,
             [&](Result<ApiResponse> result) {
               std::lock_guard lock(mu);
               codes.push_back(result.status().code());
               changed.notify_one();
             })
        .Detach();
  }
  mine.reset();
  std::unique_lock lock(mu);
  REQUIRE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return codes.size() == 200; }));
  for (const Code code : codes) CHECK((code == Code::kOk || code == Code::kCancelled));
}

}  // namespace
}  // namespace minikube::api::testing
