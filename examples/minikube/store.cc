#include "store.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <minikube/remote_client.h>
#include <minikube/store_admin.h>
#include <minikube/store_tools.h>

namespace minikube::example {
namespace {

using nlohmann::json;

// A check or a compaction reads everything before it answers.
constexpr Duration kPatience = std::chrono::hours(1);

int Fail(const Status& status) {
  std::fprintf(stderr, "minikube: %s\n", status.message().c_str());
  return 1;
}

std::string Size(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes);
  const char* unit = "KiB";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    unit = next;
    size /= 1024;
    if (size < 1000) break;
  }
  return fmt::format("{:.1f} {}", size, unit);
}

// The store of a data directory, through the server that has it open or by itself.
class Door {
 public:
  // Errors: kNotFound (no store), kUnavailable.
  static Result<Door> Of(const std::string& data_dir) {
    Door door;
    door.options_.path = data_dir + "/store";
    const Result<bool> used = StoreInUse(door.options_.path);
    if (!used) return used.status();
    if (!*used) return door;
    std::ifstream file(data_dir + "/kubeconfig");
    door.kubeconfig_.assign(std::istreambuf_iterator<char>(file), {});
    if (door.kubeconfig_.empty()) {
      return Status(
          Code::kUnavailable,
          fmt::format("{} is in use, but {}/kubeconfig, to reach its server with, cannot be read", data_dir, data_dir));
    }
    return door;
  }

  bool live() const { return !kubeconfig_.empty(); }
  const StoreOptions& options() const { return options_; }

  // Of a live one: the answer of /debug/store/<what>, piece by piece.
  Status Ask(const std::string& method, const std::string& what,
             const Function<Status(std::string_view)>& on_data) const {
    const std::unique_ptr<Env> env = NewRealEnv(1);
    RemoteClientOptions remote;
    remote.kubeconfig = kubeconfig_;
    return RawExchange(remote, {method, "/debug/store/" + what, kPatience}, *env, on_data);
  }
  Result<std::string> Ask(const std::string& method, const std::string& what) const {
    std::string answer;
    const Status status = Ask(method, what, [&answer](std::string_view piece) {
      answer += piece;
      return Status();
    });
    if (!status.ok()) return status;
    return answer;
  }

  // Of a stopped one: opened as a server would.
  Status With(const std::function<Status(Store&)>& work) const {
    const std::unique_ptr<Env> env = NewRealEnv(2);
    Result<std::unique_ptr<Store>> store = OpenStore(options_, *env);
    return store ? work(**store) : store.status();
  }

  Result<std::string> Report(StoreAdmin::Depth depth) const {
    const bool verify = depth == StoreAdmin::Depth::kVerify;
    if (live()) return Ask("GET", verify ? "check" : "status");
    const Result<StoreReport> report = ExamineStore(options_, depth);
    if (!report) return report.status();
    return ToJson(*report, verify);
  }

 private:
  StoreOptions options_;
  std::string kubeconfig_;  // "" = nobody has the store open
};

int PrintStatus(const json& report) {
  const auto number = [&](const char* name) { return report.value(name, std::int64_t{0}); };
  const auto size = [&](const char* name) { return Size(report.value(name, std::uint64_t{0})); };
  std::string disk = size("diskBytes");
  if (report.contains("quotaBytes")) disk += " of " + size("quotaBytes");
  std::string alarm = report.value("alarm", "").empty() ? "none" : "NOSPACE: puts are refused until there is space";
  if (report.value("diskFull", false)) alarm += "; the disk is full";
  fmt::print("revision   {}\ncompacted  {}\nkeys       {} ({})\nhistory    {} older versions ({})\n",
             number("revision"), number("compactRevision"), number("keys"), size("bytes"), number("historyVersions"),
             size("historyBytes"));
  fmt::print("on disk    {}\nleases     {}\nalarm      {}\nformat     {}\n", disk, number("leases"), alarm,
             report.value("format", ""));
  if (const std::string failure = report.value("failure", ""); !failure.empty()) {
    fmt::print("READ-ONLY  {}\n", failure);
  }
  return 0;
}

int PrintCheck(const json& report) {
  const json problems = report.value("problems", json::array());
  for (const json& problem : problems) fmt::print("{}\n", problem.get<std::string>());
  if (!problems.empty()) return 1;
  fmt::print("ok: revision {}, {} keys, {} older versions, {} leases\n", report.value("revision", 0),
             report.value("keys", 0), report.value("historyVersions", 0), report.value("leases", 0));
  return 0;
}

int Report(const StoreFlags& flags, StoreAdmin::Depth depth) {
  const Result<Door> door = Door::Of(flags.data_dir);
  if (!door) return Fail(door.status());
  const Result<std::string> text = door->Report(depth);
  if (!text) return Fail(text.status());
  const json report = json::parse(*text, nullptr, false);
  if (!report.is_object()) return Fail({Code::kInternal, "the server's answer is not JSON"});
  if (flags.output == "json") {
    fmt::print("{}\n", report.dump(2));
    return report.value("problems", json::array()).empty() ? 0 : 1;
  }
  return depth == StoreAdmin::Depth::kVerify ? PrintCheck(report) : PrintStatus(report);
}

int Print(const StoreFlags& flags, const Result<SnapshotInfo>& info, std::string_view done) {
  if (!info) return Fail(info.status());
  if (flags.output == "json") {
    const json out = {{"revision", info->revision},
                      {"compactRevision", info->compact_revision},
                      {"records", info->records},
                      {"bytes", info->bytes}};
    fmt::print("{}\n", out.dump(2));
  } else {
    fmt::print("{}: revision {}, history from {}, {} records, {}\n", done, info->revision, info->compact_revision,
               info->records, Size(info->bytes));
  }
  return 0;
}

Result<SnapshotInfo> Snapshot(const StoreFlags& flags) {
  const Result<Door> door = Door::Of(flags.data_dir);
  if (!door) return door.status();
  if (!door->live()) return SnapshotStore(door->options(), flags.file);
  Result<std::unique_ptr<SnapshotFile>> file = NewSnapshotFile(flags.file);
  if (!file) return file.status();
  MINIKUBE_RETURN_IF_ERROR(
      door->Ask("GET", "snapshot", [&file](std::string_view piece) { return (*file)->Append(piece); }));
  return (*file)->Finish();
}

Result<SnapshotInfo> Restore(const StoreFlags& flags) {
  StoreOptions options;
  options.path = flags.data_dir + "/store";
  return RestoreStore(flags.file, options, {.bump_revision = flags.bump_revision});
}

int Compact(const StoreFlags& flags) {
  const Result<Door> door = Door::Of(flags.data_dir);
  if (!door) return Fail(door.status());
  json out;
  if (door->live()) {
    const std::string query = flags.revision == 0 ? "" : fmt::format("?revision={}", flags.revision);
    const Result<std::string> answer = door->Ask("POST", "compact" + query);
    if (!answer) return Fail(answer.status());
    out = json::parse(*answer, nullptr, false);
  } else {
    const Status status = door->With([&](Store& store) {
      const std::uint64_t before = store.status().disk_bytes;
      MINIKUBE_RETURN_IF_ERROR(store.Compact(flags.revision == 0 ? store.revision() : flags.revision));
      MINIKUBE_RETURN_IF_ERROR(store.admin()->Reclaim());
      const StoreStatus now = store.status();
      out = {{"compactRevision", now.compact_revision}, {"diskBytesBefore", before}, {"diskBytes", now.disk_bytes}};
      return Status();
    });
    if (!status.ok()) return Fail(status);
  }
  if (!out.is_object()) return Fail({Code::kInternal, "the server's answer is not JSON"});
  if (flags.output == "json") {
    fmt::print("{}\n", out.dump(2));
  } else {
    fmt::print("compacted to revision {}: {}, {} before\n", out.value("compactRevision", 0),
               Size(out.value("diskBytes", std::uint64_t{0})), Size(out.value("diskBytesBefore", std::uint64_t{0})));
  }
  return 0;
}

int Disarm(const StoreFlags& flags) {
  const Result<Door> door = Door::Of(flags.data_dir);
  if (!door) return Fail(door.status());
  const Status status = door->live() ? door->Ask("POST", "disarm").status()
                                     : door->With([](Store& store) { return store.admin()->Disarm(); });
  return status.ok() ? 0 : Fail(status);
}

}  // namespace

CLI::App* AddStore(CLI::App& app, StoreFlags& flags, const std::string& default_data_dir) {
  flags.data_dir = default_data_dir;
  CLI::App* store = app.add_subcommand("store", "Look after the store, whether the server runs or not");
  store->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* command = store->add_subcommand(name, what);
    command->add_option("--data-dir", flags.data_dir, "Data directory of the server")->capture_default_str();
    return command;
  };
  const auto add_with_output = [&](const char* name, const char* what) {
    CLI::App* command = add(name, what);
    command->add_option("-o,--output", flags.output, "json, or for people if not given")
        ->check(CLI::IsMember({"json"}).description(""));
    return command;
  };
  add_with_output("status", "Show revisions, keys, history, space, leases and the quota's alarm");
  add_with_output("check", "Verify checksums and every record against the others; exit code 1 if something is wrong")
      ->add_option("--snapshot", flags.file, "Verify this snapshot file instead");
  add_with_output("snapshot", "Copy everything, as of one revision, into a file")
      ->add_option("file", flags.file, "File to write; replaced as a whole if it exists")
      ->required();
  CLI::App* restore = add_with_output("restore", "Make the store of a snapshot; there must be none yet");
  restore->add_option("file", flags.file, "Snapshot file")->required();
  restore
      ->add_option("--bump-revision", flags.bump_revision,
                   "Go on this much above the snapshot's revision and compact up to there, so that clients who saw "
                   "later revisions begin anew; 0 restores the snapshot exactly")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str();
  add_with_output("compact", "Forget history, and give its space back to the file system")
      ->add_option("--revision", flags.revision, "Oldest revision to keep (default: the newest)")
      ->check(CLI::PositiveNumber.description(""));
  add("disarm", "End the quota's alarm by hand; if space does not suffice, the next put raises it again");
  return store;
}

int RunStore(const CLI::App& store, const StoreFlags& flags) {
  if (store.got_subcommand("check") && !flags.file.empty()) return Print(flags, CheckSnapshot(flags.file), "ok");
  if (store.got_subcommand("status")) return Report(flags, StoreAdmin::Depth::kCount);
  if (store.got_subcommand("check")) return Report(flags, StoreAdmin::Depth::kVerify);
  if (store.got_subcommand("snapshot")) return Print(flags, Snapshot(flags), "saved " + flags.file);
  if (store.got_subcommand("restore")) return Print(flags, Restore(flags), "restored " + flags.file);
  return store.got_subcommand("compact") ? Compact(flags) : Disarm(flags);
}

}  // namespace minikube::example
