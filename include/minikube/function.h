// Function<R(Args...)>: a move-only callable, for callbacks that own what they need (std::function insists on copies).
//
// Thread safety: none of its own; call it from one thread at a time, and neither move nor destroy it while it is
// called. Ownership: owns the callable; a moved-from or default Function is empty and must not be called.
#pragma once

#include <cstddef>
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
    using Held = Holder<std::remove_cvref_t<F>>;
    if constexpr (kFits<Held>) {
      callable_ = new (&inline_) Held(std::forward<F>(f));
    } else {
      callable_ = new Held(std::forward<F>(f));
    }
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
    virtual Base* MoveTo(void* place) noexcept = 0;  // of one that fits: makes another there
  };
  // What a few pointers take is held without an allocation.
  static constexpr std::size_t kInlineBytes = 5 * sizeof(void*);
  template <typename Held>
  static constexpr bool kFits = sizeof(Held) <= kInlineBytes &&
                                alignof(Held) <= alignof(void*) && std::is_nothrow_move_constructible_v<Held>;

  template <typename F>
  struct Holder final : Base {
    template <typename G>
    requires(!std::is_same_v<std::remove_cvref_t<G>, Holder>) explicit Holder(G&& g) : f(std::forward<G>(g)) {}
    Holder(Holder&&) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
    R Call(Args... args) override { return f(std::forward<Args>(args)...); }
    Base* MoveTo(void* place) noexcept override {
      if constexpr (kFits<Holder>) return new (place) Holder(std::move(*this));
      return nullptr;  // not asked
    }
    F f;
  };

  bool IsInline() const { return static_cast<const void*>(callable_) == static_cast<const void*>(&inline_); }
  void Clear() {
    const bool is_inline = IsInline();
    Base* const callable = std::exchange(callable_, nullptr);
    if (is_inline) {
      callable->~Base();
    } else {
      delete callable;
    }
  }
  // This one is empty.
  void Take(Function& other) noexcept {
    if (!other.IsInline()) {
      callable_ = std::exchange(other.callable_, nullptr);
      return;
    }
    callable_ = other.callable_->MoveTo(&inline_);
    other.Clear();
  }

  Base* callable_ = nullptr;
  std::aligned_storage_t<kInlineBytes, alignof(void*)> inline_;
};

using Task = Function<void()>;

}  // namespace minikube
