#include "agent/local_volumes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/pod_files.h"
#include "kube/numbers.h"
#include "kube/owners.h"
#include "kube/volumes.h"

namespace minikube::agent {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(200);
constexpr Duration kLastRetry = std::chrono::seconds(30);

// A merge patch of this very object, whatever else changes in it.
std::string PatchOf(const meta::v1::ObjectMeta& meta, std::string_view what) {
  return fmt::format(R"({{"metadata":{{"uid":"{}",{}}}}})", meta.uid.view(), what);
}

// Finalizers are a list that others change, too: this version only.
std::string WithoutFinalizer(const meta::v1::ObjectMeta& meta) {
  std::string rest;
  for (const Str& finalizer : meta.finalizers) {
    if (finalizer == kube::kLocalPath) continue;
    rest += fmt::format("{}\"{}\"", rest.empty() ? "" : ",", finalizer.view());
  }
  return PatchOf(meta, fmt::format(R"("resourceVersion":"{}","finalizers":[{}])", meta.resourceVersion.view(), rest));
}

}  // namespace

bool IsLocalPath(const core::PersistentVolume& volume) {
  const Str* by = volume.metadata.annotations.Find(kube::kProvisionedBy);
  if (by == nullptr || !(*by == kube::kLocalPath) || !volume.spec.local) return false;
  const std::string_view path = volume.spec.local->path;
  return path.substr(path.rfind('/') + 1) == volume.metadata.name.view();
}

std::string LocalPathOf(std::string_view root, std::string_view name) { return fmt::format("{}/{}", root, name); }

LocalStep NextLocalStep(const core::PersistentVolume& volume, std::string_view node_name) {
  if (!IsLocalPath(volume) || kube::HostnameOf(volume) != node_name) return LocalStep::kNothing;
  if (!kube::HasFinalizer(volume.metadata, kube::kLocalPath)) return LocalStep::kNothing;
  if (!volume.metadata.deletionTimestamp) {
    return volume.metadata.annotations.Contains(kube::kLocalPathMade) ? LocalStep::kNothing : LocalStep::kMake;
  }
  if (volume.status.phase == "Bound") return LocalStep::kNothing;
  return volume.spec.persistentVolumeReclaimPolicy == "Delete" ? LocalStep::kRemove : LocalStep::kLetGo;
}

LocalVolumes::~LocalVolumes() {
  for (const auto& [name, work] : work_) {
    if (work.retry_timer != 0) context_.strand.Cancel(work.retry_timer);
  }
}

void LocalVolumes::Start() {
  volumes_ = std::make_unique<Informer>(context_.client, Client::ResourceOf<core::PersistentVolume>(), context_.strand,
                                        context_.env);
  volumes_->AddHandler(
      [this](const ObjectRef& before, const ObjectRef& after) { Look((after ? after : before)->meta().name); });
  volumes_->Start();
}

void LocalVolumes::Look(const Str& name) {
  const ObjectRef volume = volumes_->Get({}, name);
  const auto it = work_.find(name);
  if (it != work_.end() && (it->second.busy || it->second.retry_timer != 0)) return;
  const LocalStep step =
      volume ? NextLocalStep(volume->As<core::PersistentVolume>(), context_.options.node_name) : LocalStep::kNothing;
  switch (step) {
    case LocalStep::kNothing:
      if (it != work_.end()) work_.erase(it);
      return;
    case LocalStep::kMake:
      return Make(volume);
    case LocalStep::kRemove:
      return Remove(volume);
    case LocalStep::kLetGo:
      work_[name].busy = true;
      return Write(volume, WithoutFinalizer(volume->meta()));
  }
}

void LocalVolumes::Make(const ObjectRef& volume) {
  work_[volume->meta().name].busy = true;
  context_.files.get().Post(
      [&strand = context_.strand, root = context_.local_root(), name = volume->meta().name.str(),
       done = Bind([volume](LocalVolumes& self, const Status& status) {
         if (!status.ok()) return self.Failed(volume, "ProvisioningFailed", status.message());
         self.Write(volume,
                    PatchOf(volume->meta(), fmt::format(R"("annotations":{{"{}":"true"}})", kube::kLocalPathMade)));
       })]() mutable {
        Status status = MakeLocalVolume(root, name);
        strand.Post([done = std::move(done), status = std::move(status)]() mutable { done(status); });
      });
}

void LocalVolumes::Remove(const ObjectRef& volume) {
  work_[volume->meta().name].busy = true;
  context_.files.get().Post([&strand = context_.strand, root = context_.local_root(), pods = context_.options.root,
                             name = volume->meta().name.str(),
                             done = Bind([volume](LocalVolumes& self, const Status& status) {
                               if (!status.ok()) return self.Failed(volume, "VolumeFailedDelete", status.message());
                               self.Write(volume, WithoutFinalizer(volume->meta()));
                             })]() mutable {
    Status status = IsUsedByPod(pods, LocalPathOf(root, name))
                        ? Status(Code::kUnavailable, "the volume is still used on its node")
                        : RemoveLocalVolume(root, name);
    strand.Post([done = std::move(done), status = std::move(status)]() mutable { done(status); });
  });
}

void LocalVolumes::Write(const ObjectRef& volume, std::string patch) {
  ApiRequest request = Client::NamedRequest<core::PersistentVolume>(Verb::kPatch, {}, volume->meta().name);
  request.patch_type = PatchType::kMerge;
  request.patch = std::move(patch);
  context_.client
      .Do(std::move(request), context_.strand, Bind([volume](LocalVolumes& self, const Result<ApiResponse>& response) {
            const Code code = response ? Code::kOk : response.status().code();
            const Str& name = volume->meta().name;
            if (response) {
              // Not before it is seen: what is decided next is decided on that.
              const std::int64_t revision = kube::RevisionOf(response->object->meta().resourceVersion);
              return self.volumes_->WhenReached(revision, self.Bind([name](LocalVolumes& again) { again.Done(name); }));
            }
            if (code == Code::kNotFound) return self.Done(name);
            self.Failed(volume, "FailedUpdate", response.status().message());
          }))
      .Detach();
}

void LocalVolumes::Done(const Str& name) {
  work_.erase(name);
  Look(name);
}

void LocalVolumes::Failed(const ObjectRef& volume, std::string_view reason, const std::string& message) {
  const Str& name = volume->meta().name;
  Work& work = work_[name];
  work.busy = false;
  // A write that others overtook is no news.
  if (reason != "FailedUpdate" && std::exchange(work.shown, message) != message) {
    context_.events.Warning(*volume, reason, message);
  }
  work.retry = std::clamp(work.retry * 2, kFirstRetry, kLastRetry);
  work.retry_timer = context_.strand.After(work.retry, [this, name] {
    work_[name].retry_timer = 0;
    Look(name);
  });
}

}  // namespace minikube::agent
