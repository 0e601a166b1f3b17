-- Options for a test, and what it asks through Neovim's own socket. The configuration under test is loaded before this file.
vim.o.swapfile = false
vim.o.shadafile = 'NONE'

Harness = {}

--- Whether the server's index of this folder is ready.
function Harness.ready()
  local client = vim.lsp.get_clients({ name = 'hef', bufnr = 0 })[1]
  local answer = client and client:request_sync('workspace/executeCommand', { command = 'hef.status' }, 5000)
  local workspace = answer and answer.result and (answer.result.workspaces or {})[1]
  return workspace ~= nil and workspace.state == 'ready' and type(workspace.lastUpdate) == 'table'
end

--- All that is drawn as virtual text now.
function Harness.ghost()
  local out = {}
  for _, namespace in pairs(vim.api.nvim_get_namespaces()) do
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
      local lines = { mark[4].virt_text or {}, unpack(mark[4].virt_lines or {}) }
      for _, line in ipairs(lines) do
        local text = ''
        for _, piece in ipairs(line) do text = text .. piece[1] end
        if text ~= '' then table.insert(out, text) end
      end
    end
  end
  return table.concat(out, '\n')
end
