// Function<R(Args...)>: a move-only callable, for callbacks that own what they need (std::function insists on copies).
//
// Thread safety: none of its own; call it from one thread at a time.
// Ownership: owns the callable; a moved-from or default Function is empty and must not be called.
#pragma once

#include <cstddef>
#include <memory>
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
      Function(F&& f)  // NOLINT(google-explicit-constructor): a lambda is a Function.
      : callable_(std::make_unique<Holder<std::remove_cvref_t<F>>>(std::forward<F>(f))) {}

  Function(Function&&) noexcept = default;
  Function& operator=(Function&&) noexcept = default;

  explicit operator bool() const { return callable_ != nullptr; }

  // Const as std::function's is: the callable's state is its own affair.
  R operator()(Args... args) const { return callable_->Call(std::forward<Args>(args)...); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R Call(Args... args) = 0;
  };
  template <typename F>
  struct Holder final : Base {
    template <typename G>
    explicit Holder(G&& g) : f(std::forward<G>(g)) {}
    R Call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  std::unique_ptr<Base> callable_;
};

using Task = Function<void()>;

}  // namespace minikube
