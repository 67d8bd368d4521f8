// Function<R(Args...)>: a move-only callable, for callbacks that own what they need (std::function insists on copies).
//
// Thread safety: none of its own; call it from one thread at a time, and neither move nor destroy it while it is
// called. Ownership: owns the callable; a moved-from or default Function is empty and must not be called.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace minikube {

template <typename Signature>
class Function;

template <typename R, typename... Args>
class Function<R(Args...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): reads as "no callback".

  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Function> && std::is_invocable_r_v<R, F&, Args...>)
      Function(F&& f) {  // NOLINT(google-explicit-constructor): a lambda is a Function.
    using Callable = std::remove_cvref_t<F>;
    using Held = std::conditional_t<kFits<Holder<Callable>>, Holder<Callable>, Holder<Boxed<Callable>>>;
    callable_ = new (&place_) Held(std::forward<F>(f));
  }

  Function(Function&& other) noexcept { Take(other); }
  Function& operator=(Function&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    Take(other);
    return *this;
  }
  ~Function() { Clear(); }

  explicit operator bool() const { return callable_ != nullptr; }

  // Const as std::function's is: the callable's state is its own affair.
  R operator()(Args... args) const { return callable_->Call(std::forward<Args>(args)...); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R Call(Args... args) = 0;
    virtual Base* MoveTo(void* place) noexcept = 0;  // makes another there
  };
  template <typename F>
  struct Holder final : Base {
    template <typename G>
    requires(!std::is_same_v<std::remove_cvref_t<G>, Holder>) explicit Holder(G&& g) : f(std::forward<G>(g)) {}
    Holder(Holder&&) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
    R Call(Args... args) override { return f(std::forward<Args>(args)...); }
    Base* MoveTo(void* place) noexcept override { return new (place) Holder(std::move(*this)); }
    F f;
  };
  // A callable that is too large for the place, or may throw when it is moved.
  template <typename F>
  struct Boxed {
    template <typename G>
    requires(!std::is_same_v<std::remove_cvref_t<G>, Boxed>) explicit Boxed(G&& g)
        : f(std::make_unique<F>(std::forward<G>(g))) {}
    R operator()(Args... args) { return (*f)(std::forward<Args>(args)...); }
    std::unique_ptr<F> f;
  };

  // What a few pointers take is held without an allocation.
  static constexpr std::size_t kPlaceBytes = 5 * sizeof(void*);
  template <typename Held>
  static constexpr bool kFits = sizeof(Held) <= kPlaceBytes &&
                                alignof(Held) <= alignof(void*) && std::is_nothrow_move_constructible_v<Held>;

  void Clear() {
    if (Base* const callable = std::exchange(callable_, nullptr); callable != nullptr) callable->~Base();
  }
  // This one is empty.
  void Take(Function& other) noexcept {
    if (other.callable_ == nullptr) return;
    callable_ = other.callable_->MoveTo(&place_);
    other.Clear();
  }

  Base* callable_ = nullptr;  // in place_
  std::aligned_storage_t<kPlaceBytes, alignof(void*)> place_;
};

using Task = Function<void()>;

}  // namespace minikube
