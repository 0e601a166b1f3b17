;; Emacs in batch mode with lsp-mode: opens a file, types, shows lsp-mode's own inline completion, accepts it, saves.
;;   emacs --batch -Q -l lsp-mode.el CONFIG FILE TYPED     prints the ghost text; packages from $LSP_MODE_PATH
(dolist (folder (file-expand-wildcards (concat (getenv "LSP_MODE_PATH") "/*"))) (add-to-list 'load-path folder))
(setq byte-compile-warnings nil warning-minimum-level :error
      make-backup-files nil create-lockfiles nil auto-save-default nil
      lsp-session-file (expand-file-name "lsp-session" (getenv "HOME"))
      lsp-enable-suggest-server-download nil lsp-warn-no-matched-clients nil lsp-enable-file-watchers nil
      lsp-headerline-breadcrumb-enable nil lsp-modeline-code-actions-enable nil lsp-lens-enable nil
      lsp-diagnostics-provider :none lsp-client-packages nil)
;; A batch Emacs has no autoloads of these.
(dolist (feature '(lsp-mode lsp-lens lsp-modeline lsp-completion)) (require feature))
(pcase-let ((`(,config ,file ,typed) command-line-args-left))
  (setq command-line-args-left nil)
  (load config nil t)
  (lsp-workspace-folders-add (locate-dominating-file file ".git"))
  (find-file file)
  (lsp)
  (with-timeout (30 (message "the index did not get ready") (kill-emacs 1))
    (while (not (and (lsp-workspaces)
                     (eq (lsp--workspace-status (car (lsp-workspaces))) 'initialized)
                     (let* ((status (lsp-request "workspace/executeCommand" '(:command "hef.status")))
                            (workspaces (append (lsp-get status :workspaces) nil)))
                       (and workspaces
                            (equal (lsp-get (car workspaces) :state) "ready")
                            (lsp-get (car workspaces) :lastUpdate)))))
      (accept-process-output nil 0.1)))
  (goto-char (point-max))
  (insert typed)
  (lsp-inline-completion-display 'implicit) ; what its idle timer calls
  (unless lsp-inline-completion--overlay (message "no inline completion") (kill-emacs 1))
  (princ (concat (overlay-get lsp-inline-completion--overlay 'display)
                 (overlay-get lsp-inline-completion--overlay 'after-string)))
  (lsp-inline-completion-accept)
  (save-buffer)
  (ignore-errors (lsp-workspace-shutdown (car (lsp-workspaces))) (sleep-for 0.3))
  (kill-emacs 0))
