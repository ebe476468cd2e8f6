" vim takes *.rules for Snort's, so these are set and not only suggested.
" Rules about network access, nac-rules(5), and their tests, nac-rules-test(5).
autocmd BufNewFile,BufRead */intune-nac/*.rules,*/intune-nac/rules/*,site.rules set filetype=nacrules
autocmd BufNewFile,BufRead *.rules if getline(1) .. getline(2) =~# '\<\(Intune\|nac-rules\|nac-decide\)\>' | set filetype=nacrules | endif
autocmd BufNewFile,BufRead */intune-nac/*.tests,site.tests set filetype=nacrules
