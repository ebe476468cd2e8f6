" Vim syntax of nac-rules(5) and nac-rules-test(5).
if exists('b:current_syntax')
  finish
endif

" Words of the language may have hyphens in them; names begin with a capital letter.
syntax iskeyword @,48-57,_,-,$
syntax case match

syntax match nacComment '\(^\|\s\)\zs#.*$' contains=nacTodo,@Spell
syntax keyword nacTodo TODO FIXME XXX contained
syntax region nacString start=+"+ skip=+\\["\\]+ end=+"+ oneline contains=nacEscape
syntax match nacEscape +\\["\\]+ contained
syntax match nacJoin '\\$'

syntax match nacName '\<[A-Z][A-Za-z0-9_-]*\>'
syntax match nacAttribute '\<[A-Z0-9][A-Za-z0-9.-]*\(:\d\+\)\?\ze\s*\(:=\|+=\|=\)'
syntax match nacVariable '\$[A-Za-z][A-Za-z0-9_-]*'
syntax match nacOperator ':=\|+=\|<=\|>=\|[<>=,()]'

syntax match nacNumber '\<\d\+\>'
syntax match nacSpan '\<\(\d\+[smhdw]\)\+\>'
syntax match nacTime '\<\d\d:\d\d\>'
syntax match nacRange '\.\.'
syntax match nacAddress '\<\d\+\.\d\+\.\d\+\.\d\+\(/\d\+\)\?\>'
syntax match nacAddress '\<\x*:[0-9a-fA-F:]\+:\x*\(/\d\+\)\?'
syntax match nacMac '\<\x\x\([:-]\x\x\)\{1,5}\([:-]\*\)\?'

syntax keyword nacAllow allow
syntax keyword nacDeny deny
syntax keyword nacShadow shadow all
syntax keyword nacStatement label let zone list include word trusted by app-hint
syntax keyword nacSetting match-order stale-after ambiguous no-match when-broken timezone
syntax keyword nacStatement test given expect
syntax keyword nacJoiner when gives with if for is in and or not until
syntax keyword nacKind macs names users groups serials values
syntax keyword nacPart vlan tagged untagged role filter acl redirect session-timeout
syntax keyword nacPart disconnect-after idle-timeout mfa coa log
syntax keyword nacField compliance eap medium matched id-space source client jailbreak account
syntax keyword nacField trust weekday nas-id nas-port-id ssid user realm group name issuer
syntax keyword nacField subject cert-serial template san-uri san-dns san-upn os os-version owner
syntax keyword nacField serial model manufacturer device-user nas mac age sync-age
syntax keyword nacField enrolment-age mfa-age nas-port hour time
syntax keyword nacFlag managed retiring wiping random-mac fresh stale encrypted jailbroken
syntax keyword nacFlag certificate
syntax keyword nacValue compliant noncompliant grace unknown conflict error configmanager
syntax keyword nacValue unregistered pending none tls ttls peap other wired wireless vpn guid
syntax keyword nacValue intune entra graph nac2 cache ios android other-mobile mobile windows
syntax keyword nacValue macos linux desktop yes no enabled disabled trusted any refuse newest UTC
syntax keyword nacValue sign-on session daily weekly monthly six-months once reauth bounce
syntax keyword nacValue disconnect monday tuesday wednesday thursday friday saturday sunday

highlight default link nacComment Comment
highlight default link nacTodo Todo
highlight default link nacString String
highlight default link nacEscape SpecialChar
highlight default link nacJoin Special
highlight default link nacName Identifier
highlight default link nacAttribute Type
highlight default link nacVariable PreProc
highlight default link nacOperator Operator
highlight default link nacNumber Number
highlight default link nacSpan Number
highlight default link nacTime Number
highlight default link nacRange Operator
highlight default link nacAddress Constant
highlight default link nacMac Constant
highlight default link nacAllow Statement
highlight default link nacDeny Exception
highlight default link nacShadow StorageClass
highlight default link nacStatement Keyword
highlight default link nacSetting Define
highlight default link nacJoiner Conditional
highlight default link nacKind Type
highlight default link nacPart Function
highlight default link nacField Type
highlight default link nacFlag Boolean
highlight default link nacValue Constant

let b:current_syntax = 'nacrules'
