{
  "targets": [
    {
      "target_name": "polus",
      "sources": ["<!@(find native/addon -name '*.cc' | sort)"],
      "include_dirs": ["native/addon", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags": ["-Wall", "-Wextra", "-Werror", "-O2", "-g", "-fvisibility=hidden"],
      "cflags!": ["-fno-exceptions", "-Wno-unused-parameter"],
      "cflags_cc": ["-std=c++17"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "libraries": ["-ldw", "-lelf", "-lZydis", "-llzma"]
    },
    {
      "target_name": "polus_borrower",
      "type": "executable",
      "sources": [
        "native/borrower/main.cc",
        "<!@(find native/addon/memory native/addon/tracer native/addon/arch -name '*.cc' ! -name '*_binding.cc' ! -name 'decoder.cc' ! -name 'register_use.cc' ! -name 'snapshot.cc' ! -name 'call.cc' ! -name 'hold.cc' ! -name 'moment.cc' ! -name 'window.cc' | sort)"
      ],
      "include_dirs": ["native/addon"],
      "cflags": ["-Wall", "-Wextra", "-Werror", "-O2", "-g"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc": ["-std=c++17"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "ldflags": ["-static-libgcc", "-static-libstdc++"]
    },
    {
      "target_name": "polus_watchdog",
      "type": "executable",
      "sources": ["native/watchdog/main.cc"],
      "cflags": ["-Wall", "-Wextra", "-Werror", "-O2", "-g"],
      "cflags_cc": ["-std=c++17"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "ldflags": ["-static-libgcc", "-static-libstdc++"]
    },
    {
      "target_name": "polus_runtime",
      "type": "none",
      "actions": [
        {
          "action_name": "runtime",
          "message": "what lives in an updated program: freestanding C, without any library",
          "inputs": ["<!@(find native/runtime -name '*.[ch]' | sort)"],
          "outputs": ["<(PRODUCT_DIR)/polus_runtime.so"],
          "action": [
            "cc", "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fPIC",
            "-fvisibility=hidden", "-fno-strict-aliasing", "-fno-tree-loop-distribute-patterns",
            "-fno-stack-protector", "-fcf-protection=none", "-mgeneral-regs-only",
            "-shared", "-nostdlib", "-Wl,-z,defs", "-Wl,-Bsymbolic", "-Wl,-z,noexecstack",
            "-o", "<@(_outputs)", "<!@(find native/runtime -name '*.c' | sort)"
          ]
        }
      ]
    }
  ]
}
