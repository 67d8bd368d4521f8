// The bundled executable: a whole cluster, and the tools that go with it.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <minikube/runtime.h>
#include <minikube/version.h>

#include "front_ends.h"
#include "server.h"
#include "store.h"

namespace minikube::example {
namespace {

constexpr const char* kDefaultDataDir = "/var/lib/minikube";

std::string RuntimeRoot(const std::string& data_dir) { return data_dir + "/runtime"; }

int Fail(const Status& status) {
  std::fprintf(stderr, "minikube: %s\n", status.message().c_str());
  return 1;
}

void PrintImage(const ImageInfo& image) { std::printf("%s %s\n", image.reference.c_str(), image.id.c_str()); }

struct ServerFlags {
  ClusterOptions cluster;
  LocalNode node;
  LogLevel log_level = LogLevel::kInfo;
  bool no_agent = false;
  bool no_scheduler = false;
  bool no_controllers = false;
  std::int64_t history_age_seconds = 0;
};

void AddServer(CLI::App& app, ServerFlags& flags) {
  CLI::App* server = app.add_subcommand("server", "Run a cluster: API server, scheduler, controllers, node agent");
  flags.cluster.data_dir = kDefaultDataDir;
  ApiServerOptions& api = flags.cluster.api_server;
  api.listen = "127.0.0.1:6443";
  server->add_option("--data-dir", flags.cluster.data_dir, "Directory of all state")->capture_default_str();
  server->add_option("--listen", api.listen, "ADDR:PORT to serve HTTPS on; port 0 takes a free one")
      ->capture_default_str();
  server->add_option("--node-name", flags.node.agent.node_name, "Name of this machine's Node (default: the hostname)");
  server->add_option("--runtime", flags.node.runtime.runtime, "OCI runtime: runc, crun or a path")
      ->capture_default_str();
  server
      ->add_option(
          "--pod-cidr", flags.node.runtime.pod_cidr,
          "CIDR from which this machine's pods get their addresses; empty: pods have only a loopback interface")
      ->capture_default_str();
  server->add_option("--bridge", flags.node.runtime.bridge,
                     "Bridge of the pods (default: mk<n> for the smallest n that is free on this machine, with the nth "
                     "range from --pod-cidr on)");
  server->add_flag("--no-services{false}", flags.node.network.services,
                   "Do not lead the addresses and node ports of Services to their endpoints on this machine");
  server->add_flag("--no-dns{false}", flags.node.network.dns,
                   "Do not answer names of Services and pods on this machine");
  server->add_flag("--no-network-policies{false}", flags.node.network.policies,
                   "Do not hold this machine's pods to NetworkPolicies");
  server->add_flag("--no-agent", flags.no_agent, "Do not run pods on this machine");
  server->add_flag("--no-scheduler", flags.no_scheduler, "Do not schedule pods");
  server->add_flag("--no-controllers", flags.no_controllers, "Do not run the controllers");
  server->add_option("--token-auth-file", api.token_auth_file,
                     "CSV file of bearer tokens: token,user,uid,\"group1,group2\"");
  server
      ->add_option("--service-cluster-ip-range", api.service_cluster_ip_range,
                   "CIDR from which services get their addresses")
      ->capture_default_str();
  StoreOptions& store = flags.cluster.store;
  server
      ->add_option("--quota-backend-bytes", store.quota_bytes,
                   "Size of the store at which puts are refused, such as 2GiB; 0 = none")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->check(CLI::Range(0.0, 4e18).description(""))  // a negative number has become a large one
      ->type_name("SIZE")
      ->default_str("8GiB");
  flags.history_age_seconds = std::chrono::duration_cast<std::chrono::seconds>(store.history_age).count();
  server
      ->add_option("--history-age", flags.history_age_seconds,
                   "How long watches and paginated lists can resume, such as 30s, 5m or 1h; 0 = without end")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, std::int64_t>{{"s", 1}, {"m", 60}, {"h", 3600}}).description(""))
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{10} * 365 * 24 * 3600).description(""))
      ->type_name("TIME")
      ->default_str("5m");
  server
      ->add_option("--history-revisions", store.history_revisions,
                   "How many revisions can be resumed from, whatever their age; 0 = any number")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str();
  static const std::map<std::string, LogLevel> kLevels = {{"debug", LogLevel::kDebug},
                                                          {"info", LogLevel::kInfo},
                                                          {"warning", LogLevel::kWarning},
                                                          {"error", LogLevel::kError},
                                                          {"off", LogLevel::kOff}};
  server->add_option("--log-level", flags.log_level, "debug, info, warning, error or off")
      ->transform(CLI::Transformer(kLevels, CLI::ignore_case).description(""))
      ->transform(CLI::IsMember(kLevels, CLI::ignore_case).description(""));  // first: the last transform added
}

struct ImageFlags {
  std::string data_dir = kDefaultDataDir;
  std::string path;
  std::string name;
  std::vector<std::string> entrypoint;
};

CLI::App* AddImage(CLI::App& app, ImageFlags& flags) {
  CLI::App* image = app.add_subcommand("image", "Put images into the node's image store");
  image->require_subcommand(1);
  CLI::App* import_command =
      image->add_subcommand("import", "Import an OCI layout, an OCI or docker archive, or a directory of one");
  import_command->add_option("path", flags.path, "File or directory")->required();
  import_command->add_option("--name", flags.name, "Reference to give the image (default: the one inside)");
  import_command->add_option("--data-dir", flags.data_dir, "Data directory of the server")->capture_default_str();
  CLI::App* pack = image->add_subcommand("pack", "Make an image from a plain directory");
  pack->add_option("rootfs", flags.path, "Directory that becomes the image's only layer")->required();
  pack->add_option("--name", flags.name, "Reference to give the image")->required();
  pack->add_option("--entrypoint", flags.entrypoint, "One argument of the entrypoint; may be repeated")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  pack->add_option("--data-dir", flags.data_dir, "Data directory of the server")->capture_default_str();
  return image;
}

int RunImage(const CLI::App& image, const ImageFlags& flags) {
  if (image.got_subcommand("pack")) {
    Result<ImageInfo> packed = PackImage(RuntimeRoot(flags.data_dir), {flags.path, flags.name, flags.entrypoint});
    if (!packed) return Fail(packed.status());
    PrintImage(*packed);
    return 0;
  }
  Result<std::vector<ImageInfo>> imported = ImportImage(RuntimeRoot(flags.data_dir), flags.path, flags.name);
  if (!imported) return Fail(imported.status());
  for (const ImageInfo& one : *imported) PrintImage(one);
  return 0;
}

int Main(int argc, char** argv) {
  const std::string name = std::filesystem::path(argc > 0 ? argv[0] : "").filename().string();
  if (name == "kube-apiserver") return RunKubeApiserver(argc, argv);
  if (name == "etcd") return RunEtcd(argc, argv);
  CLI::App app("Kubernetes in one process", "minikube");
  app.require_subcommand(1);
  ServerFlags server;
  AddServer(app, server);
  ImageFlags image;
  const CLI::App* image_command = AddImage(app, image);
  StoreFlags store;
  const CLI::App* store_command = AddStore(app, store, kDefaultDataDir);
  std::string assets;
  app.add_subcommand("envtest-assets",
                     "Make a directory for KUBEBUILDER_ASSETS: operators' tests then run against this")
      ->add_option("directory", assets, "Directory to make")
      ->required();
  app.add_subcommand("version", "Print the version");
  CLI11_PARSE(app, argc, argv);

  if (app.got_subcommand("version")) {
    std::printf("minikube %s (Kubernetes %s)\n", std::string(kVersion).c_str(),
                std::string(kKubernetesVersion).c_str());
    return 0;
  }
  if (app.got_subcommand("image")) return RunImage(*image_command, image);
  if (app.got_subcommand("envtest-assets")) return MakeEnvtestAssets(assets);
  if (app.got_subcommand("store")) return RunStore(*store_command, store);
  server.cluster.store.history_age = std::chrono::seconds(server.history_age_seconds);
  if (!server.no_agent) server.cluster.node = server.node;
  if (server.no_scheduler) server.cluster.scheduler.reset();
  if (server.no_controllers) server.cluster.controllers.reset();
  return RunServer(std::move(server.cluster), server.log_level);
}

}  // namespace
}  // namespace minikube::example

int main(int argc, char** argv) { return minikube::example::Main(argc, argv); }
