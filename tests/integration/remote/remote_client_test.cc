// The remote client against a real ApiServer over TLS: it does what the one in process does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/api/apiextensions/v1.h>
#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api_server.h>
#include <minikube/controller_manager.h>
#include <minikube/custom_object.h>
#include <minikube/informer.h>
#include <minikube/remote_client.h>

#include "helpers/temp_dir.h"
#include "helpers/wait.h"

namespace minikube {
namespace {

using apps::v1::Deployment;
using core::v1::ConfigMap;
using core::v1::Pod;

ConfigMap Map(std::string_view name, std::string_view value = "1") {
  ConfigMap map;
  map.metadata.name = name;
  map.metadata.namespace_ = "default";
  map.data["k"] = value;
  return map;
}

struct Fixture {
  Fixture() { Start("127.0.0.1:0"); }
  ~Fixture() {
    client.reset();
    local.reset();
    server.reset();
    store->Stop();
  }
  void Start(std::string listen) {
    ApiServerOptions options;
    options.data_dir = dir.path();
    options.listen = std::move(listen);
    server = ApiServer::Start(options, *store, *env, Logger()).value();
    client = NewRemoteClient({.kubeconfig = server->AdminKubeconfig()}, *env).value();
    local = server->NewClient({"admin", "", {"system:masters"}});
  }
  bool Eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + test::kDeadline;
    std::mutex mu;
    std::condition_variable never;
    std::unique_lock lock(mu);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, std::chrono::milliseconds(2));
    }
    return true;
  }

  test::TempDir dir;
  std::unique_ptr<Env> env = NewRealEnv(2);
  std::unique_ptr<Store> store = NewMemoryStore(*env);
  std::unique_ptr<ApiServer> server;
  std::unique_ptr<Client> local;
  std::unique_ptr<Client> client;
};

TEST_CASE_METHOD(Fixture, "every verb, with the answers that the client in process gives") {
  const ConfigMap made = client->Create(Map("a")).value();
  CHECK_FALSE(made.metadata.uid.empty());
  CHECK(DeepEqual(made, local->Get<ConfigMap>("default", "a").value()));
  CHECK(DeepEqual(made, client->Get<ConfigMap>("default", "a").value()));

  ConfigMap changed = made;
  changed.data["k"] = "2";
  changed = client->Update(changed).value();
  CHECK(client->Update(made).status().code() == Code::kConflict);
  CHECK_FALSE(
      client->Patch<ConfigMap>("default", "a", PatchType::kMerge, R"({"metadata":{"labels":{"x":"y z"}}})").ok());
  const ConfigMap patched =
      client->Patch<ConfigMap>("default", "a", PatchType::kMerge, R"({"metadata":{"labels":{"x":"y"}}})").value();
  CHECK(patched.metadata.labels.Find("x")->view() == "y");

  client->Create(Map("b")).value();
  CHECK(client->List<ConfigMap>("default", "x=y").value().size() == 1);
  ApiRequest page = Client::NamedRequest<ConfigMap>(Verb::kList, "default", "");
  page.limit = 1;
  const ApiResponse first = client->DoSync(page).value();
  REQUIRE(first.items.size() == 1);
  REQUIRE_FALSE(first.continue_token.empty());
  CHECK(first.revision > 0);
  page.continue_token = first.continue_token;
  CHECK(client->DoSync(page).value().items[0]->meta().name.view() != first.items[0]->meta().name.view());

  ApiRequest remove = Client::NamedRequest<ConfigMap>(Verb::kDelete, "default", "a");
  remove.precondition_uid = "another";
  CHECK(client->DoSync(remove).status().code() == Code::kConflict);
  remove.precondition_uid = made.metadata.uid.str();
  CHECK(client->DoSync(remove).ok());
  CHECK_FALSE(local->Get<ConfigMap>("default", "a"));
  CHECK(client->DoSync(Client::NamedRequest<ConfigMap>(Verb::kDeleteCollection, "default", "")).ok());
  CHECK(local->List<ConfigMap>("default").value().empty());
}

TEST_CASE_METHOD(Fixture, "paths that are no resources, as they come") {
  const RemoteClientOptions options{.kubeconfig = server->AdminKubeconfig()};
  const auto ask = [&](std::string method, std::string path, std::string& body) {
    return RawExchange(options, {std::move(method), std::move(path)}, *env, [&body](std::string_view piece) {
      body += piece;
      return Status();
    });
  };
  std::string body;
  CHECK(ask("GET", "/version", body).ok());
  CHECK(body.find("\"major\": \"1\"") != std::string::npos);
  CHECK(ask("GET", "/nothing", body).code() == Code::kNotFound);
  CHECK(ask("GET", "/debug/store/compact", body).code() == Code::kMethodNotAllowed);
  ConfigMap big = Map("big", std::string(1'000'000, 'v'));
  client->Create(big).value();
  body.clear();
  CHECK(ask("GET", "/debug/store/snapshot", body).ok());
  CHECK(body.size() > 1'000'000);
  // Who takes no more ends it.
  int pieces = 0;
  const Status ended = RawExchange(options, {.path = "/debug/store/snapshot"}, *env, [&pieces](std::string_view) {
    ++pieces;
    return Status(Code::kCancelled, "enough");
  });
  CHECK(ended.message() == "enough");
  CHECK(pieces == 1);
  server.reset();
  CHECK(ask("GET", "/version", body).code() == Code::kUnavailable);
}

TEST_CASE_METHOD(Fixture, "errors carry what the server said") {
  const Status missing = client->Get<ConfigMap>("default", "none").status();
  CHECK(missing.code() == Code::kNotFound);
  CHECK(missing.details().name == "none");
  CHECK(missing.message() == local->Get<ConfigMap>("default", "none").status().message());
  client->Create(Map("a")).value();
  CHECK(client->Create(Map("a")).status().code() == Code::kAlreadyExists);
  Pod pod;
  pod.metadata.name = "p";
  pod.metadata.namespace_ = "default";
  const Status invalid = client->Create(pod).status();
  CHECK(invalid.code() == Code::kInvalid);
  REQUIRE_FALSE(invalid.details().causes.empty());
  CHECK(invalid.details().causes[0].field == "spec.containers");
}

TEST_CASE_METHOD(Fixture, "status and scale subresources") {
  Deployment d;
  d.metadata.name = "web";
  d.metadata.namespace_ = "default";
  d.spec.selector.Mutable().matchLabels["app"] = "web";
  d.spec.template_.metadata.labels["app"] = "web";
  core::v1::Container container;
  container.name = "main";
  container.image = "image";
  d.spec.template_.spec.containers.push_back(container);
  d = client->Create(d).value();
  d.status.replicas = 7;
  CHECK(client->UpdateStatus(d).value().status.replicas == 7);
  ApiRequest scale = Client::NamedRequest<Deployment>(Verb::kPatch, "default", "web");
  scale.subresource = "scale";
  scale.patch = R"({"spec":{"replicas":4}})";
  const Result<ApiResponse> scaled = client->DoSync(scale);
  REQUIRE(scaled.ok());
  CHECK(scaled->object->kind() == "Scale");
  CHECK(*client->Get<Deployment>("default", "web").value().spec.replicas == 4);
}

TEST_CASE_METHOD(Fixture, "an informer follows over the wire") {
  local->Create(Map("before")).value();
  const auto strand = env->NewStrand("watcher");
  std::mutex mu;
  std::map<std::string, std::string> seen;
  std::unique_ptr<Informer> informer;
  strand->Post([&] {
    informer = std::make_unique<Informer>(*client, Client::ResourceOf<ConfigMap>(), *strand, *env);
    informer->AddHandler([&](const ObjectRef& before, const ObjectRef& after) {
      std::lock_guard lock(mu);
      const std::string name = (after ? after : before)->meta().name.str();
      if (after) {
        seen[name] = after->As<ConfigMap>().data.Find("k")->str();
      } else {
        seen.erase(name);
      }
    });
    informer->Start();
  });
  const auto is = [&](std::map<std::string, std::string> expected) {
    return Eventually([&] {
      std::lock_guard lock(mu);
      return seen == expected;
    });
  };
  CHECK(is({{"before", "1"}}));
  local->Create(Map("after", std::string(200000, 'x'))).value();
  CHECK(is({{"before", "1"}, {"after", std::string(200000, 'x')}}));
  ConfigMap before = local->Get<ConfigMap>("default", "before").value();
  before.data["k"] = "2";
  local->Update(before).value();
  (void)local->Delete<ConfigMap>("default", "after");
  CHECK(is({{"before", "2"}}));
  for (int i = 0; i < 500; ++i) local->Create(Map(fmt::format("m{}", i))).value();
  CHECK(Eventually([&] {
    std::lock_guard lock(mu);
    return seen.size() == 501;
  }));

  SECTION("and over a restart of the server") {
    const std::string url = server->url();
    local.reset();
    server.reset();
    ApiServerOptions options;
    options.data_dir = dir.path();
    options.listen = url.substr(std::string("https://").size());
    server = ApiServer::Start(options, *store, *env, Logger()).value();
    local = server->NewClient({"admin", "", {"system:masters"}});
    local->Create(Map("later")).value();
    CHECK(Eventually([&] {
      std::lock_guard lock(mu);
      return seen.contains("later");
    }));
  }
  strand->Stop();
  informer.reset();
}

TEST_CASE_METHOD(Fixture, "many requests at once share few connections") {
  const auto strand = env->NewStrand("many");
  std::mutex mu;
  int answered = 0;
  for (int i = 0; i < 300; ++i) {
    client
        ->Do(Client::RequestFor(Verb::kCreate, Map(fmt::format("m{}", i))), *strand,
             [&](Result<ApiResponse> response) {
               std::lock_guard lock(mu);
               answered += response.ok() ? 1 : 0;
             })
        .Detach();
  }
  CHECK(Eventually([&] {
    std::lock_guard lock(mu);
    return answered == 300;
  }));
  CHECK(local->List<ConfigMap>("default").value().size() == 300);
  strand->Stop();
}

TEST_CASE_METHOD(Fixture, "a client that goes answers what is in flight") {
  const auto strand = env->NewStrand("gone");
  test::Promised<Status> answer;
  test::Promised<Status> ended;
  const std::unique_ptr<WatchHandle> watch =
      client->Watch(Client::NamedRequest<ConfigMap>(Verb::kWatch, "default", ""), *strand,
                    {.on_events = [](std::vector<WatchEvent>) {}, .on_end = [&](Status status) { ended.Set(status); }});
  client
      ->Do(Client::RequestFor(Verb::kCreate, Map("a")), *strand,
           [&](Result<ApiResponse> response) { answer.Set(response.status()); })
      .Detach();
  client.reset();
  const std::optional<Status> status = answer.Take();
  REQUIRE(status);
  CHECK((status->ok() || status->code() == Code::kCancelled));
  CHECK(ended.Take().value_or(Status()).code() == Code::kCancelled);
  strand->Stop();
}

TEST_CASE_METHOD(Fixture, "apply, pages and deletions are the same over the wire") {
  CHECK(client->Apply(Map("a"), "one").ok());
  CHECK(client->Apply(Map("a", "2"), "two").status().code() == Code::kConflict);
  CHECK(client->Apply(Map("a", "2"), "two", true).ok());
  for (int i = 0; i < 5; ++i) local->Create(Map(fmt::format("m{}", i))).value();
  CHECK(client->List<ConfigMap>("default", {.limit = 2}).value().size() == 6);
  const Page<ConfigMap> page = client->ListPage<ConfigMap>("default", {.limit = 2}).value();
  CHECK(page.items.size() == 2);
  CHECK(page.remaining == 4);
  CHECK(client->Delete<ConfigMap>("default", "a", {.uid = "another"}).code() == Code::kConflict);
  CHECK(client->Delete<ConfigMap>("default", "a", {.grace_period_seconds = 0}).ok());
}

TEST_CASE_METHOD(Fixture, "discovery finds kinds of the schema and others") {
  const ResourceDesc* maps = client->FindServed("", "", "ConfigMap").value();
  CHECK(maps == &Client::ResourceOf<ConfigMap>());
  CHECK(client->FindServed("autoscaling", "", "HorizontalPodAutoscaler").value()->version == "v2");
  apiextensions::v1::CustomResourceDefinition definition;
  definition.metadata.name = "widgets.example.com";
  definition.spec.group = "example.com";
  definition.spec.scope = "Namespaced";
  definition.spec.names.plural = "widgets";
  definition.spec.names.kind = "Widget";
  apiextensions::v1::CustomResourceDefinitionVersion version{.name = "v1", .served = true, .storage = true};
  auto& schema = version.schema.Mutable().openAPIV3Schema.Mutable();
  schema.type = "object";
  schema.xKubernetesPreserveUnknownFields = true;
  definition.spec.versions.push_back(version);
  REQUIRE(client->Create(definition).ok());
  REQUIRE(Eventually([&] { return client->FindServed("example.com", "", "Widget").ok(); }));
  const ResourceDesc* widgets = client->FindServed("example.com", "v1", "Widget").value();
  CHECK(widgets == client->FindServed("example.com", "", "Widget").value());  // made once
  CHECK(widgets->namespaced);
  CHECK(widgets->plural == "widgets");
  ObjectPtr widget = ObjectPtr::New(*widgets->message);
  widget->mutable_meta().name = "w";
  widget->mutable_meta().namespace_ = "default";
  AsCustomObject(*widget)->rest.Mutable("spec").Set("size", Json::Int(3));
  REQUIRE(client->DoSync(Client::ApplyRequest(*widgets, *std::move(widget).Freeze(), "host", false)).ok());
  const ApiResponse list = client->DoSync(Client::ListRequest(*widgets, Verb::kList, "", {})).value();
  REQUIRE(list.items.size() == 1);
  CHECK(AsCustomObject(*list.items[0])->rest["spec"]["size"].AsInt64() == 3);
  server.reset();
  CHECK(client->FindServed("", "", "ConfigMap").status().code() == Code::kUnavailable);
}

// A port on which connections are made, and nothing is ever said.
struct SilentPort {
  SilentPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd, 8) == 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  ~SilentPort() { close(fd); }
  // The next connection, when it is there.
  int Accept() const { return accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); }

  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = 0;
};

TEST_CASE("a request that is withdrawn is cut off, and makes room for the next") {
  const SilentPort silent;
  const auto env = NewRealEnv(2);
  const auto strand = env->NewStrand("caller");
  const auto client =
      NewRemoteClient({.kubeconfig = fmt::format("contexts: [{{name: c, context: {{cluster: k}}}}]\n"
                                                 "current-context: c\n"
                                                 "clusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:{}'}}}}]",
                                                 silent.port),
                       .max_connections = 1},
                      *env)
          .value();
  std::atomic<int> answers = 0;
  const auto get = [&] {
    return client->Do(Client::NamedRequest<ConfigMap>(Verb::kGet, "default", "a"), *strand,
                      [&answers](const Result<ApiResponse>&) { ++answers; });
  };
  Call first = get();
  Call waits = get();
  Call second = get();
  const int one = silent.Accept();
  REQUIRE(one >= 0);
  waits.Withdraw();  // has not begun
  first.Withdraw();
  char bytes[4096];
  while (read(one, bytes, sizeof bytes) > 0) {
  }                                 // what the client had said, up to its end
  const int two = silent.Accept();  // the second one's
  REQUIRE(two >= 0);
  second.Withdraw();
  while (read(two, bytes, sizeof bytes) > 0) {
  }
  strand->Stop();
  CHECK(answers == 0);
  close(one);
  close(two);
}

TEST_CASE_METHOD(Fixture, "a server that is away, unknown or not trusted") {
  std::string kubeconfig = server->AdminKubeconfig();
  SECTION("away") {
    local.reset();
    server.reset();
    CHECK(client->Get<ConfigMap>("default", "a").status().code() == Code::kUnavailable);
  }
  SECTION("of another authority") {
    const test::TempDir other_dir;
    const auto other_store = NewMemoryStore(*env);
    ApiServerOptions options;
    options.data_dir = other_dir.path();
    options.listen = "127.0.0.1:0";
    const auto other = ApiServer::Start(options, *other_store, *env, Logger()).value();
    const std::size_t at = kubeconfig.find(server->url());
    kubeconfig.replace(at, server->url().size(), other->url());
    const auto fooled = NewRemoteClient({.kubeconfig = kubeconfig}, *env).value();
    CHECK(fooled->Get<ConfigMap>("default", "a").status().code() == Code::kUnavailable);
  }
  SECTION("without credentials") {
    const std::size_t from = kubeconfig.find("    client-certificate-data:");
    const std::size_t to = kubeconfig.find("contexts:");
    kubeconfig.replace(from, to - from, "    token: wrong\n");
    const auto stranger = NewRemoteClient({.kubeconfig = kubeconfig}, *env).value();
    CHECK(stranger->Get<ConfigMap>("default", "a").status().code() == Code::kUnauthorized);
  }
}

TEST_CASE("kubeconfigs that cannot be used") {
  const auto env = NewRealEnv(2);
  const auto code = [&](std::string text) {
    return NewRemoteClient({.kubeconfig = std::move(text)}, *env).status().code();
  };
  const std::string rest = "contexts: [{name: c, context: {cluster: k, user: u}}]\ncurrent-context: c\n";
  CHECK(code("") == Code::kBadRequest);
  CHECK(code("a: [") == Code::kBadRequest);
  CHECK(code("current-context: none") == Code::kNotFound);
  CHECK(code(rest) == Code::kNotFound);
  CHECK(code(rest + "clusters: [{name: k, cluster: {server: 'http://x'}}]") == Code::kNotImplemented);
  CHECK(code(rest + "clusters: [{name: k, cluster: {server: 'https://x', certificate-authority-data: '!'}}]") ==
        Code::kBadRequest);
  CHECK(code(rest + "clusters: [{name: k, cluster: {server: 'https://x', certificate-authority: /no/such}}]") ==
        Code::kNotFound);
  CHECK(code(rest + "clusters: [{name: k, cluster: {server: 'https://x'}}]\nusers: [{name: u, user: {exec: {}}}]") ==
        Code::kNotImplemented);
  CHECK(NewRemoteClient({.kubeconfig = rest + "clusters: [{name: k, cluster: {server: 'https://x'}}]"}, *env).ok());
}

}  // namespace
}  // namespace minikube
