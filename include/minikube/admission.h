// AdmissionPlugin: what a cluster adds to a write (mutate), and what it refuses here and now (validate): image
// policies, labels, defaults, limits. Kubernetes' admission control
// (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/), without a webhook in between.
//
// A write passes all mutating plugins in order, is validated, and passes all validating plugins; what is answered
// without being stored (reviews, tokens) passes the validating ones; reads pass none, commands in containers neither.
// Those of a host come after the built-in ones, in the order of ApiServerOptions, and before webhooks, policies and
// ResourceQuota; if a webhook changes the object, the mutating ones see it once more. A write whose optimistic lock
// fails is decided anew, on a newer state of everything. So plugins may see a request several times, and what they said
// of an attempt that came to nothing (warnings, annotations) is forgotten with it: they decide, and have no effect
// beyond the request.
//
// Thread safety: a plugin is called from any thread, for several requests at once; for one request from one thread at a
// time. Ownership: the API server shares plugins (ApiServerOptions) until it is destroyed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <minikube/auth.h>
#include <minikube/client.h>
#include <minikube/env.h>
#include <minikube/function.h>
#include <minikube/object.h>
#include <minikube/status.h>
#include <minikube/view.h>

namespace minikube {

// As admissionregistration.k8s.io/v1 names them. An apply or PUT that makes an object is a create.
enum class AdmissionOperation : std::uint8_t { kCreate, kUpdate, kDelete };

// A kind of request.
struct AdmissionTarget {
  AdmissionOperation operation = AdmissionOperation::kCreate;
  const ResourceDesc& resource;
  std::string_view subresource;  // "" = the object itself
};

// One request as a plugin sees it, valid while the plugin handles it.
class AdmissionRequest {
 public:
  virtual ~AdmissionRequest() = default;

  virtual AdmissionOperation operation() const = 0;
  // As it was asked for; objects are of the version that is stored (Object::desc).
  virtual const ResourceDesc& resource() const = 0;
  virtual std::string_view subresource() const = 0;
  virtual std::string_view ns() const = 0;  // "" = cluster-scoped
  // Of a create, the object's once it has one.
  virtual std::string_view name() const = 0;
  virtual const UserInfo& user() const = 0;
  // Nothing will be written: there must be no side effect elsewhere either.
  virtual bool dry_run() const = 0;

  // The state that the object is to have; of a write to a subresource the whole object, as it will be stored. Null:
  // it is deleted, or nothing is stored (a review, a token).
  virtual const Object* object() const = 0;
  // The same, for changing. Only in AdmissionPlugin::Mutate, and not where object() is null.
  virtual Object& mutable_object() = 0;
  // The state that it has; null on create.
  virtual const Object* old_object() const = 0;
  // What the request brought, as it came: for subresources and reviews that are no part of an object (Binding,
  // Eviction, TokenRequest). Null for patches and deletions.
  virtual const Object* body() const = 0;

  // Everything, at the revision that this attempt is decided on: a lookup is a find, ForEach walks one namespace.
  virtual const ViewSource& world() const = 0;
  virtual WallTime now() const = 0;
  // Whether `user` may; asks all authorisers. Reason as in SubjectAccessReview.
  virtual AccessDecision Authorize(const UserInfo& user, const Access& access) const = 0;

  // Tells the caller, if the request succeeds: a Warning header, which kubectl prints.
  virtual void Warn(std::string text) = 0;
  // Tells the audit sinks. Keys as "example.com/why".
  virtual void Annotate(std::string key, std::string value) = 0;

  // For a plugin that is going to say kLater: the result is to be called once, on any thread, perhaps before the plugin
  // has returned; with an error the request is refused. The request stays valid until it is called or destroyed; if its
  // deadline passes or its client goes meanwhile, it is answered, and the call does nothing.
  virtual Function<void(Status)> Later() = 0;

  // The error of a plugin that says no, in Kubernetes' words: 403 `pods "web" is forbidden: <why>`.
  Status Forbid(std::string_view why) const;

  // An object of the world, typed; null if there is none. Borrowed: valid as the request is.
  template <typename T>
  const T* Find(std::string_view in_ns, std::string_view of_name) const {
    const ObjectRef found = world().Find(Client::ResourceOf<T>(), in_ns, of_name);
    return found ? found->TryAs<T>() : nullptr;
  }
};

// What a plugin says when it has no objection.
enum class Admitted : std::uint8_t {
  kNow,
  kLater,  // when what Later gave is called
};

class AdmissionPlugin {
 public:
  virtual ~AdmissionPlugin() = default;
  // As it is named in errors and logs; no two plugins have one name. Borrowed: valid as the plugin is.
  virtual std::string_view name() const = 0;
  // Whether it is to see requests of this kind. Must always say the same: the answer is kept, so that a request passes
  // only the plugins that want it.
  virtual bool Handles(const AdmissionTarget& target) const = 0;
  // Changes the object, or refuses. What it changes has no field manager: users may apply over it. Errors: those of
  // Kubernetes' API, mostly AdmissionRequest::Forbid.
  virtual Result<Admitted> Mutate(AdmissionRequest& request);
  // Refuses, or lets pass; the object has been validated and is as it will be stored.
  virtual Result<Admitted> Validate(AdmissionRequest& request);
};

}  // namespace minikube
