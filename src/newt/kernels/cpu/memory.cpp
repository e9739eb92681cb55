// Memory. Blocks of a tensor's size that are freed are kept for the next tensor: mapping fresh pages each time costs more
// than the arithmetic on them. Sizes are rounded up to an eighth of a power of two.

#include <c10/core/CPUAllocator.h>

#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace {

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t n) override {
    if (n == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    const size_t size = rounded(n + kHeader);
    void* base = nullptr;
    if (size >= kKept) {
      std::lock_guard<std::mutex> lock(mutex());
      auto& list = free_blocks()[size];
      if (!list.empty()) {
        base = list.back();
        list.pop_back();
      }
    }
    if (base == nullptr && posix_memalign(&base, kHeader, size) != 0) throw std::bad_alloc();
    *static_cast<size_t*>(base) = size;
    void* data = static_cast<char*>(base) + kHeader;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t n) const override { default_copy_data(to, from, n); }

 private:
  static constexpr size_t kHeader = 64;        // keeps data aligned to a cache line
  static constexpr size_t kKept = 32 * 1024;   // below this malloc keeps blocks itself

  static size_t rounded(size_t n) {
    if (n < kKept) return n;
    size_t step = 1;
    while (step * 16 <= n) step *= 2;
    return (n + step - 1) / step * step;
  }

  // Never destroyed: tensors in static storage may be freed after everything else.
  static std::mutex& mutex() {
    static auto* m = new std::mutex;
    return *m;
  }

  static std::unordered_map<size_t, std::vector<void*>>& free_blocks() {
    static auto* blocks = new std::unordered_map<size_t, std::vector<void*>>;
    return *blocks;
  }

  static void release(void* data) {
    if (data == nullptr) return;
    void* base = static_cast<char*>(data) - kHeader;
    const size_t size = *static_cast<size_t*>(base);
    if (size < kKept) {
      std::free(base);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex());
    free_blocks()[size].push_back(base);
  }
};

}  // namespace

extern "C" {

// Keeps freed tensor memory for the next tensors.
void newt_keep_memory() {
  static const bool done = [] {
    c10::SetCPUAllocator(new KeepingAllocator, /*priority=*/1);
    return true;
  }();
  (void)done;
}

}  // extern "C"
