// Object: one immutable, reference-counted API object, shared by the API server's cache, every informer and every
// watch; and ObjectPtr, the same before it is shared.
//
// Flow: an ObjectPtr (decoded from bytes, or built by a host) is filled in by its sole owner, then becomes an
// ObjectRef; from then on nobody changes it. Changing means Clone(), which shares every unchanged subtree.
// Thread safety: an ObjectRef may be read and copied from any thread; an ObjectPtr belongs to one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include <minikube/api/meta/v1.h>
#include <minikube/descriptor.h>
#include <minikube/types.h>

namespace minikube {

class Object;

namespace internal {
void DestroyObject(const Object* object);
// Writes both names to stderr and aborts.
[[noreturn]] void DieOnWrongType(const MessageDesc& is, const MessageDesc& wanted);
}  // namespace internal

// An intrusive counted pointer to a const or mutable Object.
template <typename T>
class Ref {
 public:
  constexpr Ref() = default;
  constexpr Ref(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)
  Ref(const Ref& o) : p_(o.p_) {
    if (p_ != nullptr) p_->Retain();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_ != nullptr) p_->Release();
  }
  static Ref Adopt(T* p) {  // takes over one reference
    Ref r;
    r.p_ = p;
    return r;
  }
  T* release() { return std::exchange(p_, nullptr); }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.p_ == b.p_; }

 private:
  T* p_ = nullptr;
};

using ObjectRef = Ref<const Object>;

class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const MessageDesc& desc() const { return *desc_; }
  const void* data() const { return this + 1; }
  void* mutable_data() { return this + 1; }

  // The object as its generated struct. As<> is for who knows the type: of another one it ends the process, saying both
  // names. TryAs gives null then. Kinds that are defined at run time: AsCustomObject (minikube/custom_object.h).
  template <typename T>
  bool Is() const {
    return desc_ == &DescriptorOf<T>();
  }
  template <typename T>
  const T* TryAs() const {
    return Is<T>() ? static_cast<const T*>(data()) : nullptr;
  }
  template <typename T>
  const T& As() const {
    if (!Is<T>()) internal::DieOnWrongType(*desc_, DescriptorOf<T>());
    return *static_cast<const T*>(data());
  }
  template <typename T>
  T& As() {
    if (!Is<T>()) internal::DieOnWrongType(*desc_, DescriptorOf<T>());
    return *static_cast<T*>(mutable_data());
  }

  // metadata; an empty one for types without it (lists, reviews).
  const meta::v1::ObjectMeta& meta() const;
  meta::v1::ObjectMeta& mutable_meta();  // only for types that have it

  std::string_view kind() const { return desc_->gvk.kind; }

 private:
  friend class Ref<Object>;
  friend class Ref<const Object>;
  friend void internal::DestroyObject(const Object*);
  friend class ObjectPtr;
  explicit Object(const MessageDesc& desc) : desc_(&desc) {}
  void Retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) internal::DestroyObject(this);
  }
  const MessageDesc* desc_;
  mutable std::atomic<std::uint32_t> refs_{1};
  std::uint32_t unused_ = 0;
  // the struct follows
};
static_assert(sizeof(Object) == 16);

// A new object that nobody else sees yet. Null only when moved from or default-made.
class ObjectPtr {
 public:
  ObjectPtr() = default;
  ObjectPtr(ObjectPtr&&) noexcept = default;
  ObjectPtr& operator=(ObjectPtr&&) noexcept = default;

  // An empty object of that type.
  static ObjectPtr New(const MessageDesc& desc);
  template <typename T>
  static ObjectPtr Of(T value) {
    ObjectPtr p = New(DescriptorOf<T>());
    p->template As<T>() = std::move(value);
    return p;
  }
  // A shallow copy: shares all copy-on-write parts.
  static ObjectPtr Clone(const Object& object);

  Object* operator->() const { return p_.get(); }
  Object& operator*() const { return *p_; }
  Object* get() const { return p_.get(); }
  explicit operator bool() const { return static_cast<bool>(p_); }

  // Ends the mutable life: from here on it is shared and immutable.
  ObjectRef Freeze() && { return ObjectRef::Adopt(p_.release()); }

 private:
  Ref<Object> p_;
};

// `Share(Deployment{...})`: from a struct to a shared object in one step.
template <typename T>
ObjectRef Share(T value) {
  return ObjectPtr::Of(std::move(value)).Freeze();
}

// Deep equality by value (semantic for quantities and times). False for different types.
bool Equal(const Object& a, const Object& b);
bool EqualMessages(const MessageDesc& desc, const void* a, const void* b);
template <typename T>
bool DeepEqual(const T& a, const T& b) {
  return EqualMessages(DescriptorOf<T>(), static_cast<const void*>(&a), static_cast<const void*>(&b));
}

}  // namespace minikube
